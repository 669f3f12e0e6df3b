SELECT coalesce((SELECT value#>>'{}' FROM city_state WHERE key = 'epoch'), '') AS epoch,
       (SELECT seq FROM alert_sequence) AS seq
