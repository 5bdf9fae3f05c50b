-- Print what wrk saw as one JSON object, as get_load.py does.
done = function(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '{"answers": %d, "elapsed_s": %f, "per_s": %f, "p50_ms": %f, "p99_ms": %f, "failed": %d}\n',
    summary.requests, summary.duration / 1e6, summary.requests / (summary.duration / 1e6),
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
