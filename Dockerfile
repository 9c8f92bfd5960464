# The server with the models of models/ that are validated. Build it after `make repro`, or from the output of
# `penstock package --docker`, which has these files and chosen models:
#   docker build --tag penstock .
#   docker run --rm --publish 127.0.0.1:8080:8080 penstock
ARG PYTHON=3.11

FROM python:${PYTHON}-slim AS build
COPY pyproject.toml constraints.txt README.md LICENSE /source/
COPY src/penstock /source/src/penstock
RUN python -m venv /opt/penstock
RUN /opt/penstock/bin/pip install --no-cache-dir --constraint /source/constraints.txt "/source[serve]"

FROM python:${PYTHON}-slim
COPY --from=build /opt/penstock /opt/penstock
COPY models /models
ENV PYTHONUNBUFFERED=1
USER 10001:10001
EXPOSE 8080
# Set PENSTOCK_TOKEN to require a token; the health routes do not need it.
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s \
    CMD ["/opt/penstock/bin/python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8080/v2/health/ready', timeout=2)"]
# A load balancer needs some seconds to notice that the server shuts down; `docker stop` kills after 10.
ENTRYPOINT ["/opt/penstock/bin/penstock", "serve", "/models", "--host", "0.0.0.0", "--shutdown-grace", "5", "--port", "8080"]
