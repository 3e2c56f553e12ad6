# One image for web, worker and beat; docker-compose.yml says which command each runs.
FROM python:3.13-slim AS build
ENV PYTHONDONTWRITEBYTECODE=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /app
RUN python -m venv /venv
COPY requirements-prod.lock ./
RUN /venv/bin/pip install --no-deps --require-hashes -r requirements-prod.lock
COPY . .
# Static files and translations belong to the image: nothing is built when a container starts.
RUN SCRM_DATA_DIR=/tmp/build SCRM_STATIC_DIR=/app/static \
    DJANGO_SETTINGS_MODULE=scrm.settings /venv/bin/python -m django prepare --files

FROM python:3.13-slim
RUN groupadd --system --gid 10001 scrm \
    && useradd --system --uid 10001 --gid scrm --home-dir /data --no-create-home scrm \
    && install -d -o scrm -g scrm /data /data/media
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    DJANGO_SETTINGS_MODULE=scrm.settings SCRM_DATA_DIR=/data SCRM_STATIC_DIR=/app/static \
    REMAP_SIGTERM=SIGQUIT
WORKDIR /app
COPY --from=build /venv /venv
COPY --from=build /app /app
USER scrm
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s \
    CMD ["python", "-m", "scrm.probe", "web"]
CMD ["granian", "--interface", "wsgi", "scrm.wsgi:application", "--host", "0.0.0.0", "--port", "8000", \
     "--no-ws", "--workers", "2", "--blocking-threads", "4", "--respawn-failed-workers"]
