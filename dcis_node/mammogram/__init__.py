"""What a mammogram is: header facts, eligibility, pixels, anatomy. Pure."""
