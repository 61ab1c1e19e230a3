# The gateway and the `zoo` command, without PyTorch: ONNX Runtime on the CPU, PostgreSQL's and
# Triton's clients.

FROM python:3.11.14-slim-bookworm AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /src
RUN python -m venv /opt/zoo
# What it depends on is a layer of its own, which a change of the sources leaves alone: without any
# sources, the project is an empty package with the same dependencies.
COPY pyproject.toml constraints.txt ./
RUN touch README.md LICENSE && /opt/zoo/bin/pip install -c constraints.txt '.[cpu,postgres,triton]'
COPY README.md LICENSE ./
COPY cli cli
COPY export export
COPY heads heads
COPY sources sources
COPY service service
COPY training training
COPY zoo zoo
RUN /opt/zoo/bin/pip install --no-deps --force-reinstall .

FROM python:3.11.14-slim-bookworm
# A volume takes the owner of the folder that it is first mounted over.
RUN groupadd --gid 10001 zoo \
    && useradd --uid 10001 --gid zoo --no-create-home --home-dir /data zoo \
    && install -d -o zoo -g zoo /data /models /var/cache/tensorrt
COPY --from=build /opt/zoo /opt/zoo
ENV PATH=/opt/zoo/bin:$PATH ZOO_HOME=/data HOST=0.0.0.0 PORT=8000 PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /data
USER 10001:10001
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=7s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as r; r.urlopen('http://127.0.0.1:' + os.environ['PORT'] + '/readyz', timeout=6)"]
ENTRYPOINT ["zoo"]
CMD ["serve"]
