# docker build -t imaged .
# docker run --rm imaged token new >etc/app.token       # and write the lines that it prints into etc/imaged.yaml
# docker run -p 7000:7000 -p 127.0.0.1:7002:7002 -v ./etc:/etc/imaged:ro -v imaged:/var/lib/imaged --stop-timeout 40 imaged
#
# A container listens on all addresses, so it starts only with a token, or with `access: {open: true}` where all clients may
# write (docs/tokens.md). The user of the container must be able to read the file of the token. The options below override the
# settings. `docker kill -s HUP` reloads them.
FROM python:3.13-slim-trixie

RUN apt-get update \
    && apt-get install --yes --no-install-recommends libmagickwand-7.q16-10 libseccomp2 \
        libheif-plugin-aomenc libheif-plugin-dav1d libheif-plugin-libde265 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --home-dir /var/lib/imaged imaged \
    && install --directory --owner imaged --group imaged /var/lib/imaged

COPY . /usr/src/imaged
RUN pip install --no-cache-dir '/usr/src/imaged[fast,s3,manta,prometheus,sentry]'

USER imaged
WORKDIR /var/lib/imaged
VOLUME /var/lib/imaged
EXPOSE 7000 7002
STOPSIGNAL SIGTERM
HEALTHCHECK --start-period=30s \
    CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:7000/status_check', timeout=5)"]
ENTRYPOINT ["imaged"]
CMD ["run", "--set", "listen=tcp:7000", "--set", "status.listen=tcp:7002", \
     "--set", "store.path=/var/lib/imaged/public", "--set", "state_dir=/var/lib/imaged/state"]
