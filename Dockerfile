# maskmeter in a container: built on Debian 13, run as an unprivileged user; nothing at run time needs a shell.
FROM debian:13-slim AS build
# hadolint ignore=DL3008  # a Debian release keeps only its newest version of a package
RUN apt-get update \
 && apt-get install -y --no-install-recommends \
        gcc libc6-dev clang make pkg-config python3 python3-yaml \
        libmicrohttpd-dev libuv1-dev libsqlite3-dev libcjson-dev libzstd-dev zlib1g-dev libgnutls28-dev \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY Makefile ./
COPY lib lib
COPY proto proto
COPY server server
RUN make && strip build/maskmeter

FROM debian:13-slim
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install -y --no-install-recommends \
        libmicrohttpd12t64 libuv1t64 libsqlite3-0 libcjson1 libzstd1 zlib1g libgnutls30t64 libgomp1 \
 && rm -rf /var/lib/apt/lists/* \
 && mkdir -m 0700 /var/lib/maskmeter \
 && mkdir -m 0750 /etc/maskmeter \
 && chown 65532:65532 /var/lib/maskmeter /etc/maskmeter
COPY --from=build /src/build/maskmeter /usr/local/bin/maskmeter

LABEL org.opencontainers.image.title="maskmeter" \
      org.opencontainers.image.description="Scores predicted segmentations against their labels over HTTP" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.licenses="Apache-2.0"

# passive: threads that wait for the next upload sleep instead of spinning.
ENV MASKMETER_DATA=/var/lib/maskmeter \
    OMP_WAIT_POLICY=passive
USER 65532:65532
VOLUME /var/lib/maskmeter
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s CMD ["maskmeter", "healthcheck"]
ENTRYPOINT ["maskmeter"]
# Listens on the container's own loopback.  To be reached from outside it needs a token, for example that of a file which
# it makes: MASKMETER_BOOTSTRAP_TOKEN_FILE=/var/lib/maskmeter/token, and
#   serve --listen 0.0.0.0:8080
CMD ["serve"]
