"""HTTP: translates requests into calls of the domain, and its answers and errors back."""

from fastapi import APIRouter

from service.api import collections, embeddings, heads, health, items, models

routers: tuple[APIRouter, ...] = (
    embeddings.router,
    heads.router,
    collections.router,
    items.router,
    models.router,
    health.router,
)

__all__ = ["routers"]
