# lens-gate for GitLab CI and for every other CI that runs jobs in images.
#
#   docker build --tag lens-gate .
#   docker run --rm --user "$(id -u):$(id -g)" --volume "$PWD:/work" lens-gate gate
#
# A base named by its digest stays what was read: this is the index of python:3.13-slim-bookworm
# (Python 3.13.14) in docker-library/repo-info, repos/python/remote/3.13-slim-bookworm.md.
ARG BASE=python:3.13-slim-bookworm@sha256:67a1e1f215ccda113cfc024e8639049257e88f273898f595b61476d128d387e8

# hadolint ignore=DL3006
FROM ${BASE} AS build
# For a mirror: docker build --build-arg PIP_INDEX_URL=... Hashes leave it no choice of content.
ARG PIP_INDEX_URL=https://pypi.org/simple
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_NO_INPUT=1
WORKDIR /build
COPY action/requirements requirements
# The lock's versions with all extras, each file checked against its hash; nothing is built.
RUN python -I -m venv --without-pip /opt/lens-gate \
    && python -I -m pip --python /opt/lens-gate/bin/python install --quiet \
        --require-hashes --no-deps --only-binary :all: \
        --requirement requirements/base.txt --requirement requirements/azure.txt \
        --requirement requirements/bedrock.txt --requirement requirements/vertex.txt
COPY lens_gate lens_gate
# -I: neither the folder that a job runs in nor its PYTHON... variables can bring modules along.
RUN cp -R lens_gate "$(/opt/lens-gate/bin/python -I -c 'import sysconfig; print(sysconfig.get_path("purelib"))')" \
    && /opt/lens-gate/bin/python -I -m compileall -q /opt/lens-gate/lib \
    && printf '%s\n' '#!/bin/sh' \
        'exec /opt/lens-gate/bin/python -I -X utf8 -c "from lens_gate.cli import main; main()" "$@"' \
        > lens-gate \
    && chmod 0755 lens-gate \
    && ./lens-gate --version

# hadolint ignore=DL3006
FROM ${BASE}
LABEL org.opencontainers.image.title="lens-gate" \
      org.opencontainers.image.description="The performance gate for LLM calls" \
      org.opencontainers.image.licenses="MIT"
# Any checkout may be read, whoever owns it: GitLab's belong to root, and the gate does not.
# Debian keeps no older version of git, so that a pin would break each rebuild.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends git \
    && rm -rf /var/lib/apt/lists/* \
    && git config --system --add safe.directory '*' \
    && useradd --uid 10001 --create-home --shell /bin/sh lens-gate
COPY --from=build /opt/lens-gate /opt/lens-gate
COPY --from=build /build/lens-gate /usr/local/bin/lens-gate
USER 10001:10001
WORKDIR /work
# GitLab needs a shell in this place: templates/lens-gate.yml says so with `entrypoint: [""]`.
ENTRYPOINT ["lens-gate"]
CMD ["--help"]
