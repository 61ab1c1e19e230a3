"""`python -m service`: the gateway on `HOST` and `PORT` (127.0.0.1:8000)."""

import os

from service.server import serve

if __name__ == "__main__":
    serve(host=os.environ.get("HOST", "127.0.0.1"), port=int(os.environ.get("PORT", "8000")))
