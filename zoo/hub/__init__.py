"""Models of Hugging Face's hub, or of one that speaks as it does; without PyTorch."""
