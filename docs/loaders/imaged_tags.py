"""Django's tags: `{% load imaged_tags %}`, in a folder `templatetags`. `settings.IMAGED_URL` is imaged's address.

`picture` is the object that the answer to a POST holds, as a JSONField keeps it.
"""

from django import template
from django.conf import settings
from django.utils.html import format_html

register = template.Library()
WIDTHS = (320, 640, 960, 1280, 1920, 2560, 3840)
IMG = '<img src="{}" srcset="{}" sizes="{}" width="{}" height="{}" style="background-color:{}" alt="{}" loading="lazy">'


@register.simple_tag
def imaged_url(picture, size="full_size", namespace="p", format="auto"):
    return f"{settings.IMAGED_URL}/{namespace}/{picture['partitionedHash']}/{size}.{format}"


@register.simple_tag
def imaged_img(picture, alt="", sizes="100vw", namespace="p"):
    width, height = picture["width"], picture["height"]
    widths = sorted(each for each in {*WIDTHS, width} if each <= min(width, WIDTHS[-1]))
    urls = {each: imaged_url(picture, f"w{each}", namespace) for each in widths}
    srcset = ", ".join(f"{url} {each}w" for each, url in urls.items())
    colour = "transparent" if picture.get("transparency", True) else picture["average_color"]
    return format_html(IMG, urls[min(width, 1280)], srcset, sizes, width, height, colour, alt)
