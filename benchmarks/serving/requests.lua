-- wrk asks for one body after the other, and says what it saw as a line of JSON.
-- wrk --script requests.lua URL -- BODIES PATH, where BODIES has one JSON body a line.
local requests, turn = {}, 0

function init(arguments)
   local headers = { ["Content-Type"] = "application/json" }
   for body in io.lines(arguments[1]) do
      requests[#requests + 1] = wrk.format("POST", arguments[2], headers, body)
   end
end

function request()
   turn = turn % #requests + 1
   return requests[turn]
end

function done(summary, latency, _)
   local errors = summary.errors
   io.write(string.format(
      '\n{"requests_per_second": %f, "p50_ms": %f, "p99_ms": %f, "failed": %d}\n',
      summary.requests / summary.duration * 1e6, latency:percentile(50) / 1000, latency:percentile(99) / 1000,
      errors.status + errors.connect + errors.read + errors.write + errors.timeout))
end
