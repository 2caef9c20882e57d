--- What a plan must give, expanded here with exact fractions.
--
-- An expectation is a list of stretches { events = { { at, channel, value, ref } | { at, mark } }, span,
-- min, max }: where a stretch begins is exact for the first; for the others a rest of min to max was drawn
-- before it.
local exact = require "five_lists.exact"

local M = {}

local add, scale, zero = exact.add, exact.scale, exact.zero

local function shifted(into, events, by, channel)
  for _, event in ipairs(events) do
    into[#into + 1] = { at = add(event.at, by), channel = event.channel or channel, value = event.value,
      ref = event.ref, mark = event.mark }
  end
end

function M.pulse(intensity)
  return { { events = { { at = zero, value = intensity.value, ref = intensity.ref } }, span = zero } }
end

function M.mark(text)
  return { { events = { { at = zero, mark = text } }, span = zero } }
end

function M.rest(time)
  return { { events = {}, span = time } }
end

function M.drawn_rest(min, max)
  return { { events = {}, span = zero }, { events = {}, span = zero, min = min, max = max } }
end

--- a, and b from the end of a's span.
function M.sequence(a, b)
  local made = { table.unpack(a, 1, #a - 1) }
  local last, first = a[#a], b[1]
  local whole = { events = {}, span = add(last.span, first.span), min = last.min, max = last.max }
  shifted(whole.events, last.events, zero)
  shifted(whole.events, first.events, last.span)
  made[#made + 1] = whole
  table.move(b, 2, #b, #made + 1, made)
  return made
end

--- count times with gap in between.
function M.gaps(plan, count, gap)
  local made = plan
  for _ = 2, count do
    made = M.sequence(M.sequence(made, M.rest(gap)), plan)
  end
  return made
end

--- count times, onset to onset; the span is that of a train (count periods) or ends with the last one.
function M.every(plan, count, period, as_train)
  assert(#plan == 1, "an exact period needs an exact plan")
  local made = { events = {} }
  for i = 1, count do
    shifted(made.events, plan[1].events, scale(period, i - 1))
  end
  made.span = as_train and scale(period, count) or add(scale(period, count - 1), plan[1].span)
  return { made }
end

--- The same on a channel.
function M.on(plan, channel)
  local made = { events = {}, span = plan[1].span }
  shifted(made.events, plan[1].events, zero, channel)
  return { made }
end

--- Two plans side by side, each on its channel.
function M.together(a, b, names)
  local made = { events = {}, span = exact.less(a[1].span, b[1].span) and b[1].span or a[1].span }
  shifted(made.events, a[1].events, zero, names[1])
  shifted(made.events, b[1].events, zero, names[2])
  return { made }
end

--- In the order of time; what is at one instant keeps the order of the plan.
function M.ordered(plan)
  for _, stretch in ipairs(plan) do
    for rank, event in ipairs(stretch.events) do
      event.rank = rank
    end
    table.sort(stretch.events, function(a, b)
      if a.at[1] == b.at[1] and a.at[2] == b.at[2] then
        return a.rank < b.rank
      end
      return exact.less(a.at, b.at)
    end)
  end
  return plan
end

--- The rows of an expectation. Where a drawn rest ends is taken from the plan as listed, and must lie
--- within what was asked; all else is our own.
---@param plan table[] ordered
---@param listed table[] rows of `events`
---@param thresholds { rmt: integer, amt: integer }
---@param grid { num: integer, den: integer, most: integer? }? steps of the device in 100 %MSO, a fraction,
---   and how many of them there are at most; nil: whole percent
---@return table[]? rows
---@return string? what is wrong with a drawn rest
function M.rows(plan, listed, thresholds, grid)
  local rows, least_ns, most_ns = {}, 0, 0 -- where the stretch begins: both are the same once it is known
  for _, stretch in ipairs(plan) do
    least_ns = least_ns + (stretch.min and exact.ns(stretch.min) or 0)
    most_ns = most_ns + (stretch.max and exact.ns(stretch.max) or 0)
    local first, row = stretch.events[1], listed[#rows + 1]
    if first and least_ns ~= most_ns then
      local base_ns = row and row.ns - exact.ns(first.at)
      if not row or base_ns < least_ns - 2 or base_ns > most_ns + 2 then
        return nil, ("event %d is listed at %s, asked were %.9f to %.9f s"):format(#rows + 1,
          row and ("%.9f s"):format(row.ns / 1e9) or "no time", (least_ns + exact.ns(first.at)) / 1e9,
          (most_ns + exact.ns(first.at)) / 1e9)
      end
      least_ns, most_ns = base_ns, base_ns
    end
    for _, event in ipairs(stretch.events) do
      rows[#rows + 1] = { ns = least_ns + exact.ns(event.at), mark = event.mark, value = event.value,
        ref = event.ref, channel = not event.mark and (event.channel or "1") or nil,
        mso = not event.mark and M.mso(event, thresholds, grid) or nil }
    end
    least_ns, most_ns = least_ns + exact.ns(stretch.span), most_ns + exact.ns(stretch.span)
  end
  return rows
end

local percent = { num = 100, den = 1 }

--- %MSO of whole numbers, on the steps of the device, halves up.
function M.mso(intensity, thresholds, grid)
  grid = grid or percent
  local threshold = intensity.ref == "MSO" and 100 or thresholds[intensity.ref:lower()]
  local hundredths = intensity.value * threshold
  local steps = (2 * hundredths * grid.num + 10000 * grid.den) // (20000 * grid.den)
  return math.min(steps, grid.most or steps) * 100 * grid.den / grid.num
end

return M
