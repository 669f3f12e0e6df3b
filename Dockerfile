# One image for every service: `citywatch ingest|alerts|center|simulate|migrate`.

FROM node:24-bookworm-slim AS frontend
WORKDIR /build
COPY frontend/package.json frontend/package-lock.json ./
RUN npm ci --no-audit --no-fund
COPY frontend/ ./
RUN npm run build

FROM python:3.13-slim-bookworm AS packages
RUN python -m venv /opt/citywatch
WORKDIR /build
COPY deploy/requirements.lock ./
RUN /opt/citywatch/bin/pip install --no-cache-dir --require-hashes -r requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY city/ city/
COPY access/ access/
COPY ingest/ ingest/
COPY alerts/ alerts/
COPY center/ center/
COPY simulation/ simulation/
COPY citywatch/ citywatch/
RUN /opt/citywatch/bin/pip install --no-cache-dir --no-deps --no-build-isolation .

FROM python:3.13-slim-bookworm
RUN useradd --system --uid 10001 --home-dir /srv/citywatch --create-home citywatch
COPY --from=packages /opt/citywatch /opt/citywatch
COPY --from=frontend /build/dist /srv/citywatch/frontend
COPY city/hcmc /srv/citywatch/city
ENV PATH=/opt/citywatch/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    CITYWATCH_CITY=/srv/citywatch/city \
    CITYWATCH_FRONTEND=/srv/citywatch/frontend \
    CITYWATCH_LOG_FORMAT=json
WORKDIR /srv/citywatch
USER citywatch
STOPSIGNAL SIGTERM
ENTRYPOINT ["citywatch"]
CMD ["--help"]
