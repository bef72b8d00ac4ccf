"""What tests are made with: data files of small programs and what they must give, on every machine."""
