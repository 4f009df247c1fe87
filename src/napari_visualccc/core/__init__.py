"""What every room shares: errors, options, pixel sizes, planes, tiles, progress, results."""
