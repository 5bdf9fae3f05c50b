"""Jinja's function and filter: `add_imaged(environment, "https://img.example.com")`.

`picture` is the object that the answer to a POST holds, as JSON.
"""

from markupsafe import Markup

WIDTHS = (320, 640, 960, 1280, 1920, 2560, 3840)
IMG = Markup(
    '<img src="{}" srcset="{}" sizes="{}" width="{}" height="{}" style="background-color:{}" alt="{}" loading="lazy">'
)


def add_imaged(environment, address):
    def imaged_url(picture, size="full_size", namespace="p", format="auto"):
        return f"{address}/{namespace}/{picture['partitionedHash']}/{size}.{format}"

    def imaged_img(picture, alt="", sizes="100vw", namespace="p"):
        width, height = picture["width"], picture["height"]
        widths = sorted(each for each in {*WIDTHS, width} if each <= min(width, WIDTHS[-1]))
        urls = {each: imaged_url(picture, f"w{each}", namespace) for each in widths}
        srcset = ", ".join(f"{url} {each}w" for each, url in urls.items())
        colour = "transparent" if picture.get("transparency", True) else picture["average_color"]
        return IMG.format(urls[min(width, 1280)], srcset, sizes, width, height, colour, alt)

    environment.filters["imaged_url"] = imaged_url
    environment.globals["imaged_img"] = imaged_img
