FROM python:3.11-slim
WORKDIR /app
COPY requirements.lock .
RUN pip install --no-cache-dir --no-deps --require-hashes -r requirements.lock
COPY . .
# Static files are collected with production's settings; what those insist on is not used, and not kept.
RUN REKINDLE_ENV=production SECRET_KEY=building FIELD_KEYS=building DATABASE_URL=postgres://building/x \
    REDIS_URL=redis://building python manage.py collectstatic --no-input --verbosity 0 \
    && useradd --system rekindle && chown -R rekindle var
USER rekindle
EXPOSE 8000
CMD ["gunicorn", "config.wsgi:application", "--bind", "0.0.0.0:8000", "--worker-class", "gthread", "--workers", "2", "--threads", "8"]
