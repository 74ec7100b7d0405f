# The service for production. Settings come as CARELOBBY_* variables: see docs/settings.md and docs/deploy.md.
FROM python:3.11-slim-bookworm

WORKDIR /carelobby
COPY run.py pyproject.toml ./
COPY requirements ./requirements
RUN PIP_NO_CACHE_DIR=1 UV_NO_CACHE=1 python3 run.py setup
COPY NOTICE ./
COPY signaling ./signaling
COPY server ./server
COPY static ./static

# Only the data directory is writable for whom the service runs as.
RUN useradd --system --no-create-home --uid 10001 carelobby && install -d -o carelobby -m 700 /var/lib/carelobby
USER carelobby
VOLUME /var/lib/carelobby
ENV CARELOBBY_PROFILE=production CARELOBBY_HOST=0.0.0.0 CARELOBBY_PORT=8000 CARELOBBY_DATA_DIR=/var/lib/carelobby
EXPOSE 8000

HEALTHCHECK --interval=10s --timeout=3s --start-period=30s CMD ["python3", "-c", "import os, urllib.request as r; r.urlopen('http://127.0.0.1:' + os.environ['CARELOBBY_PORT'] + '/healthz', timeout=2)"]
CMD ["python3", "run.py", "serve"]
