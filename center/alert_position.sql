SELECT raised_at FROM alert WHERE id = $1
