-- flight.bin as a table: what the sending thread stored, in the order in which it did.
--
--   moonpulse lua scripts/flight.lua 2026-11-27T101500_itbs600/flight.bin
--
-- Times are milliseconds from the run's start; "-" where a record has none. The kinds: engine/flight.h.
-- What is torn or missing is said at the end, on standard error; the exit status is 1 then.
local flights = require "moonpulse.record.recover_flight"

local path = ...
if not path then
  io.stderr:write("usage: moonpulse lua scripts/flight.lua RUN/flight.bin\n")
  return 2
end
local flight, message = flights.read(path)
if not flight then
  io.stderr:write("moonpulse: ", message, "\n")
  return 1
end

local planned = { sent = true, skipped = true, mark = true }
local untaken = { [-1] = "not taken", [-2] = "a part" } -- of it the port took
local stops = { skipped = true, stopped = true }

local function ms(ns, from_ns)
  return ns ~= 0 and ("%.6f"):format((ns - from_ns) / 1e6) or "-"
end

--- A record as cells.
local function cells(record)
  local kind, from_ns = record.kind, flight.start_ns
  local returned = untaken[record.returned_ns] or ms(record.returned_ns, from_ns)
  return { tostring(record.place), kind, planned[kind] and record.send or "-", tostring(record.play),
    tostring(record.number), (planned[kind] or kind == "play") and ms(record.due_ns, from_ns) or "-",
    ms(record.woken_ns, from_ns), ms(record.sent_ns, from_ns), returned,
    stops[kind] and record.stop or "-" }
end

print(table.concat({ "place", "kind", "send", "plan", "number", "due_ms", "woken_ms", "sent_ms",
  "returned_ms", "stop" }, "\t"))
for _, record in ipairs(flight.list) do
  print(table.concat(cells(record), "\t"))
end
for _, text in ipairs(flight.said) do
  io.stderr:write("moonpulse: ", text, "\n")
end
return #flight.said > 0 and 1 or 0
