"""What an encoder is and how it runs: packages, images, runtimes, and where packages live."""
