"""What people have on their screens: outputs of benchmarks and servers, and plain words, read as measured runs."""
