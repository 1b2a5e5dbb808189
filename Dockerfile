# The service alone: OPA runs beside it (docker-compose.yml). The target `edit` has an OPA of its own, for policy authors.
FROM python:3.13-slim-bookworm AS build
WORKDIR /build
COPY requirements.lock ./
RUN python -m venv /opt/entitlements \
    && /opt/entitlements/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes -r requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY entitlements ./entitlements
RUN /opt/entitlements/bin/pip install --no-cache-dir --disable-pip-version-check --no-deps .

FROM python:3.13-slim-bookworm AS service
LABEL org.opencontainers.image.title="Entitlements" \
      org.opencontainers.image.description="A policy decision point that validates tokens against claim contracts and asks OPA." \
      org.opencontainers.image.licenses="Apache-2.0"
# Empty folders with the right owner, for the volumes of docker-compose.yml.
RUN useradd --system --uid 10001 --no-create-home --home-dir /srv entitlements \
    && install --directory --owner=10001 --mode=0700 /issuer \
    && install --directory --owner=10001 --mode=0755 /keys
COPY --from=build /opt/entitlements /opt/entitlements
WORKDIR /srv
USER 10001
ENV PATH=/opt/entitlements/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
EXPOSE 8080
HEALTHCHECK --interval=5s --timeout=3s --start-period=10s --retries=5 \
    CMD ["python", "-c", "import os, urllib.request as r; port = os.environ.get('ENTITLEMENTS_LISTEN', ':8080').rpartition(':')[2]; r.urlopen(f'http://127.0.0.1:{port}/healthz', timeout=2)"]
ENTRYPOINT ["entitlements"]
CMD ["serve"]

FROM service AS edit
COPY --from=openpolicyagent/opa:1.22.2-static /opa /usr/local/bin/opa

FROM service
