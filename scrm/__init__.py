"""Loads our Celery application with the package, so ``shared_task`` means ours in every process."""

from scrm.celery import app as celery_app

__all__ = ["celery_app"]
