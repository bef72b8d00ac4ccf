"""What a user's function is written in: types, operators, maps, packets. Declarations; a machine gives them meaning."""
