"""What Prometheus sees. Each figure is moved where the state it counts moves."""

from prometheus_client import Counter, Gauge, Histogram

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)

REQUESTS = Counter(
    "zoo_requests", "Requests answered, by route and status", ["method", "route", "status"]
)
REQUEST_SECONDS = Histogram(
    "zoo_request_seconds", "Time to answer a request", ["method", "route"], buckets=_SECONDS
)
ADMITTED = Gauge("zoo_admitted_images", "Images admitted and not yet answered", ["model"])
QUEUE = Gauge("zoo_queue_images", "Decoded images waiting for the encoder", ["model"])
BATCH_IMAGES = Histogram(
    "zoo_batch_images",
    "Images in one run of the encoder",
    ["model"],
    buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024),
)
ENCODE_SECONDS = Histogram(
    "zoo_encode_seconds", "Time of one run of the encoder", ["model"], buckets=_SECONDS
)
DECODE_SECONDS = Histogram(
    "zoo_decode_seconds", "Time to decode one image", ["model"], buckets=_SECONDS
)
DROPPED = Counter(
    "zoo_dropped_images",
    "Images not encoded: their caller left, or they waited too long",
    ["model", "reason"],
)
REJECTED = Counter("zoo_rejected_requests", "Requests refused with 429", ["model"])
FAILED = Counter("zoo_failed_images", "Images that could not be embedded", ["model", "kind"])
CACHE = Counter("zoo_cache_lookups", "Lookups in the embedding cache", ["model", "result"])
