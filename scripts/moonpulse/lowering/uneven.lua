--- Of a refused train: are its intervals uneven? A device times equal ones only, and a table's onsets that
--- were rounded to the millisecond are not.
local core = require "moonpulse.core"
local even_onsets = require "moonpulse.compose.even_onsets"
local numbers = require "moonpulse.text.numbers"
local violations = require "moonpulse.lowering.violation"

local M = {}

local SLOWEST_NS = 1000000000 -- what is further apart is no train
local MOST = 1000             -- pulses that are looked at

--- The line that made a plan's n-th pulse; "" where parts are side by side.
local function origin_of(plan, n)
  local view = plan:view()
  if view.kind == "pulse" then
    return view.origin
  elseif view.kind == "parallel" then
    return ""
  end
  for i = 1, view.children do
    local child = plan:child(i)
    local pulses = child:totals().pulses
    local all = pulses * (view.kind == "repeat" and view.count or 1)
    if n <= all then
      return origin_of(child, (n - 1) % pulses + 1)
    end
    n = n - all
  end
  return ""
end

--- Of a plan's n-th pulse: which one it is of the pulses that one repetition gives one by one, at one period.
--- 0 where it is of none.
local function place_in_train(plan, n)
  local view = plan:view()
  if view.kind == "pulse" or view.kind == "parallel" then
    return 0
  end
  for i = 1, view.children do
    local child = plan:child(i)
    local totals = child:totals()
    local all = totals.pulses * (view.kind == "repeat" and view.count or 1)
    if n <= all and view.kind == "repeat" and totals.pulses == 1 then
      return totals.random and 0 or n
    elseif n <= all then
      return place_in_train(child, (n - 1) % totals.pulses + 1)
    end
    n = n - all
  end
  return 0
end

--- The pulses of a plan from an instant on that are alike, and whose intervals may be equal but for a
--- rounding: their onsets, and the number of the first.
local function train_at(plan, seed, from_us)
  local onsets, number, action = {}, nil, nil
  local schedule = core.schedule(plan, seed)
  for kind, onset_us, each, index, onset_ns in schedule.next, schedule do
    if kind == "pulse" and onset_us >= from_us then
      local last, before = onsets[#onsets], onsets[#onsets - 1]
      number, action = number or each, action or index
      local every = last and onset_ns - last
      if index ~= action or #onsets == MOST or every and (every > SLOWEST_NS
        or before and math.abs(every - (last - before)) * 5 > last - before) then
        break
      end
      onsets[#onsets + 1] = onset_ns
    end
  end
  return onsets, number
end

--- What to say of the intervals behind the first pulse of a violation, as it follows "they are 67 ms apart:
--- "; "" where they are equal, or no train.
---@param violation moonpulse.core.Violation
---@param plan moonpulse.Plan as its author wrote it
---@param seed integer
---@return string
function M.words(violation, plan, seed)
  local onsets, number = train_at(plan, seed, violation.first_us)
  local uneven = even_onsets.uneven(onsets)
  -- a period that is no whole number of nanoseconds is one period all the same: 1/15 s
  if not uneven or place_in_train(plan, number + uneven - 1) >= uneven then
    return ""
  end
  local function every(i)
    return violations.interval(onsets[i] - onsets[i - 1])
  end
  local origin = origin_of(plan, number + uneven - 1)
  local text = ("the intervals of this train are not equal: pulse %d comes after %s, pulse %d after %s%s")
    :format(number + uneven - 2, every(uneven - 1), number + uneven - 1, every(uneven),
    origin ~= "" and (" (%s)"):format(origin) or "")
  local unit_ns = even_onsets.unit(onsets)
  local hz = even_onsets.rate(onsets, unit_ns)
  if not hz then
    return text .. ": make them equal"
  end
  local is_table = origin:find("%.[ct]sv:%d+$") or origin:find("%.txt:%d+$")
  return ("%s; all %d are %s Hz but for their rounding to %s: %s gives that rate"):format(text, #onsets,
    hz, numbers.seconds(unit_ns / 1e9), is_table and ("mp.from_table(%q, { hz = %s })"):format(
      origin:match("^(.*):%d+$"), hz) or ("mp.train { hz = %s, ... }"):format(hz))
end

return M
