SELECT cluster, topic, generation, partition, epoch, owner, first_offset, next_offset,
       stored, duplicate, late, dead, no_record, expired,
       readings_stored, readings_duplicate, readings_conflict, last_timestamp
  FROM ledger
 ORDER BY cluster, topic, generation, partition
