SELECT time FROM report WHERE id = $1
