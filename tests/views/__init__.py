"""Programs that look into packets by views, with the frames that they are tried on."""
