--- Pulses of a run in real time against those of the same plans, made again: what stands in the plan must be
--- in the row. When each left is another matter: flight.bin tells that. There may be a million of them, and
--- what the numbers of a table from anywhere say costs nothing: only its rows do.
local cells_of = require("moonpulse.text.cells").of
local core = require "moonpulse.core"

local M = {}

-- columns that the plan decides, and those that the device has a part in
local planned = { "trial_type", "channel", "intensity", "intensity_ref", "trial", "block" }
local of_device = { "intensity_mso", "timed_by" }
local of_order = { trial = true, block = true } -- numbers through all plans
local nearest = 1 -- %MSO: another device has another step
local furthest_us = 1e15
local exact_us = 9e12 -- up to there a double has each nanosecond

local textual = { event = true }
for _, list in ipairs { planned, of_device } do
  for _, name in ipairs(list) do
    textual[name] = true
  end
end
local numeric = {
  pulse = { key = "pulse", most = 2 ^ 53, whole = true },
  onset_planned_us = { key = "onset", most = furthest_us },
}

local header = core.event_header:match("[^\n]*")
local columns, names = {}, {} -- as core.row_lists takes them; of its texts
local roles = {} -- as core.same_pulses takes them
for i, name in ipairs(cells_of(header)) do
  roles[i] = name == "event" and name or name == "pulse" and "number"
    or (textual[name] or numeric[name]) and "same" or "other"
  columns[i] = numeric[name] or not textual[name]
  names[#names + 1] = textual[name] and name or nil
end

--- Does a table have the very pulses of another one, with the same onsets? Nearly every record has those of
--- its plan, so it is asked first, of the files: M.compare takes ten times as long, and says what differs.
---@param path string events.tsv
---@param made string the same of the run that was made again
---@return boolean same false: perhaps not
function M.are_same(path, made)
  return core.same_pulses(path, made, header, roles)
end

---@class moonpulse.PulseRows
---@field text string
---@field order integer[] the rows of pulses by the pulse's number, of one number in the order of the text
---@field lists { pulse: (integer|false)[], onset: (number|false)[] } by row
---@field kind integer[] by row
---@field rests string[] by kind: the cells of the texts, with tabs between them

--- The rows of a table; those of a pulse by its number.
---@return moonpulse.PulseRows?
local function rows_of(text)
  if text:match("^[^\n]*") ~= header then
    return nil
  end
  local lists, kinds, rests = core.row_lists(text, math.min(#header + 2, #text + 1), columns)
  local order, count, sorted, before, is_pulse = {}, 0, true, 0, {}
  for kind, rest in ipairs(rests) do
    is_pulse[kind] = rest:find("^[^\t]*\tpulse\t") ~= nil -- trial_type, event
  end
  local numbers = lists.pulse
  for row = 1, #kinds do
    local pulse = is_pulse[kinds[row]] and numbers[row]
    if pulse then
      count, sorted, before = count + 1, sorted and pulse >= before, pulse
      order[count] = row
    end
  end
  if not sorted then
    table.sort(order, function(a, b)
      local x, y = lists.pulse[a], lists.pulse[b]
      return x < y or x == y and a < b
    end)
  end
  return { text = text, order = order, lists = lists, kind = kinds, rests = rests }
end

--- The texts of a row by their column.
local function texts_of(rows, row)
  local made = {}
  for i, cell in ipairs(cells_of(rows.rests[rows.kind[row]])) do
    made[names[i]] = cell
  end
  return made
end

--- On which line of the text the n-th row of a pulse is; asked only where something differs.
local function line_of(rows, pulse, nth)
  if not rows.line_of then
    rows.line_of = {}
    local number = 0
    for line in rows.text:gmatch("([^\n]*)\n?") do
      number = number + 1
      local found = line:match("^[^\t]*\t[^\t]*\t[^\t]*\t[^\t]*\tpulse\t([^\t]*)\t")
      local of = found and math.tointeger(tonumber(found))
      if of then
        rows.line_of[of] = rows.line_of[of] or {}
        table.insert(rows.line_of[of], number)
      end
    end
  end
  return (rows.line_of[pulse] or {})[nth]
end

local function is_alike(name, a, b, same_device)
  if a == b then
    return true
  elseif same_device then
    return false
  end
  local x, y = tonumber(a), tonumber(b)
  return name == "timed_by" or x ~= nil and y ~= nil and math.abs(x - y) <= nearest
end

--- Give the rows of pulses other numbers; those that get none are none any more.
local function renumber(rows, place)
  local list, order = rows.lists.pulse, {}
  for _, row in ipairs(rows.order) do
    list[row] = place(list[row])
    order[#order + 1] = list[row] and row or nil
  end
  table.sort(order, function(a, b) return list[a] < list[b] or list[a] == list[b] and a < b end)
  rows.order = order
end

local function in_ns(us)
  return us and math.floor(us * 1000 + 0.5)
end

--- What of a row is not as it was planned, in words; nil: nothing.
local function differences(rows, row, made, other, since_ns, how)
  local onset_ns, should_ns = in_ns(rows.lists.onset[row]), in_ns(made.lists.onset[other])
  local same_time = not onset_ns or not should_ns or math.abs(onset_ns - should_ns - since_ns) <= 1
  if same_time and rows.rests[rows.kind[row]] == made.rests[made.kind[other]] then
    return nil
  end
  local ours, theirs, parts = texts_of(rows, row), texts_of(made, other), {}
  local function add(name, a, b)
    parts[#parts + 1] = ("%s is %s, and %s %s"):format(name, a, how.what, b)
  end
  for _, name in ipairs(planned) do
    if ours[name] ~= theirs[name] and not (how.place and of_order[name]) then
      add(name, ours[name], theirs[name])
    end
  end
  for _, name in ipairs(of_device) do
    if not is_alike(name, ours[name], theirs[name], how.same_device) then
      add(name, ours[name], theirs[name])
    end
  end
  if not same_time then
    add("onset_planned_us", ("%.3f"):format(onset_ns / 1e3), ("%.3f"):format((should_ns + since_ns) / 1e3))
  end
  return parts[1] and table.concat(parts, "; ")
end

--- A pulse that the table has no row of, and the made one has.
local function tell_missing(made, other, how, findings)
  local texts = texts_of(made, other)
  findings:differ("events.tsv", nil, "it has no row of pulse %d, and %s one on channel %s, %s %%%s",
    made.lists.pulse[other], how.what, texts.channel, texts.intensity, texts.intensity_ref)
end

---@class moonpulse.PulsesHow
---@field since fun(pulse: integer): integer? how much later its plan began than in the made run, ns; nil:
---   it is of no plan that is known; asked in the order of the pulses
---@field whole boolean the run came to its own end: it has all pulses
---@field same_device boolean
---@field what string what the made rows are, as "the kept text makes"
---@field upto integer? the pulses up to this one only
---@field stop moonpulse.PulsesStop? what the run's end says of its pulses, where it came amid a plan
---@field place (fun(pulse: integer): integer?)? the number of a pulse of the made run in this one, where its
---   plans came in another order; nil: it has no such pulse; asked in the order of the pulses

--- The rows of one pulse, from a place in the order on, against that of the made run.
---@return integer next the place behind them
local function compare_one(rows, from, made, other, how, findings)
  local pulse, at = rows.lists.pulse[rows.order[from]], from
  local since_ns = how.since(pulse)
  while rows.order[at] and rows.lists.pulse[rows.order[at]] == pulse do
    local nth = at - from + 1
    if not other then
      findings:differ("events.tsv", line_of(rows, pulse, nth), "pulse %d is one more than %s", pulse,
        how.what)
    elseif nth > 1 then
      findings:differ("events.tsv", line_of(rows, pulse, nth), "pulse %d has a row already", pulse)
    elseif since_ns then
      local said = differences(rows, rows.order[at], made, other, since_ns, how)
      if said then
        findings:differ("events.tsv", line_of(rows, pulse, nth), "pulse %d: %s", pulse, said)
      end
    end
    at = at + 1
  end
  return at
end

local function is_of_train(rows, row)
  return texts_of(rows, row).timed_by == "device"
end

--- Pulses that the plan has, and the run can have or not, as it was stopped.
---@param pulse number the next one that it has; none: math.huge
local function check_missing(made, other, pulse, how, findings)
  if how.whole then
    return tell_missing(made, other, how, findings)
  end
  local number = made.lists.pulse[other]
  local stop, since_ns = how.stop, how.since(number)
  local plan, onset_ns = stop and since_ns and stop.plan_of(number), in_ns(made.lists.onset[other])
  if not plan or is_of_train(made, other) then
    return
  elseif pulse < plan.first + plan.pulses or onset_ns and stop.must_be(plan, onset_ns + since_ns) then
    tell_missing(made, other, how, findings)
  end
end

--- No pulse comes behind the stop that ended the run, but one that was on its way to its device.
local function check_behind(rows, how, findings)
  local stop = how.stop
  local at_ns = stop and stop.at_ns
  for place = #rows.order, at_ns and 1 or math.huge, -1 do
    local row = rows.order[place]
    local onset_ns, pulse = in_ns(rows.lists.onset[row]), rows.lists.pulse[row]
    if onset_ns and onset_ns <= at_ns then
      return
    elseif onset_ns and not is_of_train(rows, row)
      and onset_ns > at_ns + stop.way_ns(texts_of(rows, row).channel) then
      findings:differ("events.tsv", line_of(rows, pulse, 1), "pulse %d is planned for %.6f s, and the run "
        .. "was stopped at %.6f s", pulse, onset_ns / 1e9, at_ns / 1e9)
    end
  end
end

--- How many pulses from two places in the orders on are, one by one, as they were made: each has one row,
--- which says what the made one says. Of a run as it should be these are all, but for those about which there
--- is something to look into.
local function alike_from(rows, at, made, to, how)
  local order, other_order, first = rows.order, made.order, at
  local numbers, onsets, kinds, rests = rows.lists.pulse, rows.lists.onset, rows.kind, rows.rests
  local other_numbers, other_onsets, other_kinds = made.lists.pulse, made.lists.onset, made.kind
  local kind, other_kind, upto = nil, nil, how.upto or math.huge
  local row, other = order[at], other_order[to]
  while row and other do
    local pulse, next_row = numbers[row], order[at + 1]
    if other_numbers[other] ~= pulse or pulse > upto or next_row and numbers[next_row] == pulse then
      break
    elseif kinds[row] ~= kind or other_kinds[other] ~= other_kind then
      kind, other_kind = kinds[row], other_kinds[other]
      if rests[kind] ~= made.rests[other_kind] then
        break
      end
    end
    local onset_us, should_us, since_ns = onsets[row], other_onsets[other], how.since(pulse)
    if since_ns and onset_us and should_us then
      local apart_ns = (onset_us * 1000 + 0.5) // 1 - (should_us * 1000 + 0.5) // 1 - since_ns
      if apart_ns > 1 or apart_ns < -1 or onset_us > exact_us or onset_us < -exact_us or should_us > exact_us
        or should_us < -exact_us then
        break
      end
    end
    at, to = at + 1, to + 1
    row, other = next_row, other_order[to]
  end
  return at - first
end

--- Each pulse of a run against the one of that number of the run that was made again.
---@param text string events.tsv
---@param made_text string the same of the run that was made again
---@param how moonpulse.PulsesHow
---@param findings moonpulse.VerifyFindings
function M.compare(text, made_text, how, findings)
  local rows, made = rows_of(text), rows_of(made_text)
  if not rows or not made then
    findings:differ("events.tsv", 1, "its first line is not that of a record: %s", header)
    return
  end
  if how.place then
    renumber(made, how.place)
  end
  check_behind(rows, how, findings)
  local at, to = 1, 1
  while rows.order[at] or made.order[to] do
    local alike = alike_from(rows, at, made, to, how)
    at, to = at + alike, to + alike
    if not rows.order[at] and not made.order[to] then
      return
    end
    local pulse = rows.lists.pulse[rows.order[at] or 0] or math.huge
    local other = made.lists.pulse[made.order[to] or 0] or math.huge
    if math.min(pulse, other) > (how.upto or math.huge) then
      return
    elseif other < pulse then
      check_missing(made, made.order[to], pulse, how, findings)
      to = to + 1
    else
      at = compare_one(rows, at, made, other == pulse and made.order[to] or nil, how, findings)
      to = other == pulse and to + 1 or to
    end
  end
end

return M
