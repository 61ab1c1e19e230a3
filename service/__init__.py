"""The gateway: HTTP API, batching, search and storage. Never imports PyTorch."""
