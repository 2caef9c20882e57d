--- Pulses of a run in real time against those of the same plans, made again: what stands in the plan must be
--- in the row. When each left is another matter: flight.bin tells that.
local tabs = require "moonpulse.text.cells"
local core = require "moonpulse.core"

local cells_of = tabs.of

local M = {}

-- columns that the plan decides, and those that the device has a part in
local planned = { "trial_type", "channel", "intensity", "intensity_ref", "trial", "block" }
local of_device = { "intensity_mso", "timed_by" }
local nearest = 1 -- %MSO: another device has another step

---@class moonpulse.PulseTable
---@field text string
---@field place table<string, integer> of the columns
---@field pulses integer[] the numbers of its pulses, ascending
---@field row table<integer, integer> the row of a pulse, from 1
---@field lists table<string, (number|false)[]>? of the columns that are numbers, by row; nil: its lines are
---   no rows of one table, and each is looked at by itself
---@field kind integer[] of each row, and of each kind:
---@field words table<string, string>[] what the plan and the device decided of it, but for the numbers
---@field starts integer[]? where each row begins

local most = 2 ^ 53 -- of a number that is exact
local most_named = 20 -- differences

local function whole_ns(us)
  return math.floor(us * 1000 + 0.5)
end

--- The columns as core.row_lists takes them. A million trials have a million numbers, and no texts.
local function columns_of(names, place, first)
  local wanted, columns = { event = true }, {}
  for _, list in ipairs { planned, of_device } do
    for _, name in ipairs(list) do
      wanted[name] = true
    end
  end
  for i, name in ipairs(names) do
    local number = name == "pulse" or name == "onset_planned_us"
      or (name == "trial" or name == "block") and tonumber(first[i]) ~= nil
    if place[name] ~= i then
      columns[i] = true -- of two of one name the first counts
    elseif number then
      columns[i] = { key = name, most = most, whole = name ~= "onset_planned_us" }
    else
      columns[i] = not wanted[name] -- true: passed over
    end
  end
  return columns
end

--- Of each kind of row: is it a pulse, and its texts.
local function read_kinds(self, names, columns, rests)
  local is_pulse = {}
  self.words = {}
  for kind, rest in ipairs(rests) do
    local cells, of, at = cells_of(rest), {}, 0
    for i, name in ipairs(names) do
      if columns[i] == false then
        at = at + 1
        of[name] = cells[at]
      end
    end
    is_pulse[kind], self.words[kind] = of.event == "pulse", of
  end
  return is_pulse
end

--- Where each row begins, and behind the last one the end.
local function starts_of(self)
  if not self.starts then
    local starts = {}
    for start in self.text:gmatch("\n()") do
      starts[#starts + 1] = start
    end
    self.starts = starts
  end
  return self.starts
end

--- The cells of a row.
local function cells_at(self, row)
  local starts = starts_of(self)
  return cells_of(self.text:sub(starts[row], starts[row + 1] - 2))
end

--- The numbers of the pulses, in their order, from what each row says.
local function put_pulses(self, count, pulse_at)
  local pulses, row, sorted, last = {}, {}, true, math.mininteger
  for i = 1, count do
    local pulse = pulse_at(i)
    if pulse then
      pulses[#pulses + 1] = not row[pulse] and pulse or nil
      row[pulse] = i
      sorted, last = sorted and pulse >= last, pulse
    end
  end
  if not sorted then
    table.sort(pulses)
  end
  self.pulses, self.row = pulses, row
end

--- The pulses of a table. It may be from anywhere: nothing is as long as a number in it says.
---@param text string
---@return moonpulse.PulseTable
local function pulses_of(text)
  text = text:sub(-1) == "\n" and text or text:match("^(.*\n)") or ""
  local header, at = text:match("^([^\n]*)\n()")
  local names = cells_of(header or "")
  local self = { text = text, place = tabs.index(names) }
  local odd = #names > 64 or text:find("\r", 1, true) or text:find("\n\n", 1, true)
  local columns, lists, kinds, rests, _, bad
  if header and not odd then
    columns = columns_of(names, self.place, cells_of(text:match("^[^\n]*", at)))
    lists, kinds, rests, _, bad = core.row_lists(text, at, columns)
  end
  if bad == 0 and lists.pulse then
    local is_pulse, numbers = read_kinds(self, names, columns, rests), lists.pulse
    self.lists, self.kind = lists, kinds
    put_pulses(self, #kinds, function(row) return is_pulse[kinds[row]] and numbers[row] end)
  else
    put_pulses(self, math.max(0, #starts_of(self) - 1), function(row)
      local of = cells_at(self, row)
      return of[self.place.event] == "pulse" and math.tointeger(tonumber(of[self.place.pulse]))
    end)
  end
  return self
end

--- A row by the names of its columns.
---@class moonpulse.PulseRow
---@field line integer of the table
---@field onset_ns integer? as planned
---@field cells table<string, string>
local function row_of(self, pulse)
  local row = self.row[pulse]
  if row then
    local of = cells_at(self, row)
    local us = tonumber(of[self.place.onset_planned_us])
    return { line = row + 1, onset_ns = us and whole_ns(us),
      cells = setmetatable({}, { __index = function(_, name) return of[self.place[name]] or "" end }) }
  end
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

--- What of a row is not as it was planned, in words.
local function differences(row, made, since_ns, what, same_device)
  local parts = {}
  local function add(name, a, b)
    parts[#parts + 1] = ("%s is %s, and %s %s"):format(name, a, what, b)
  end
  for _, name in ipairs(planned) do
    if row.cells[name] ~= made.cells[name] then
      add(name, row.cells[name], made.cells[name])
    end
  end
  for _, name in ipairs(of_device) do
    if not is_alike(name, row.cells[name], made.cells[name], same_device) then
      add(name, row.cells[name], made.cells[name])
    end
  end
  local should_ns = made.onset_ns and made.onset_ns + since_ns
  if row.onset_ns and should_ns and math.abs(row.onset_ns - should_ns) > 1 then
    add("onset_planned_us", row.cells.onset_planned_us, ("%.3f"):format(should_ns / 1e3))
  end
  return parts
end

--- Are rows of these kinds as the plan and the device decided, but for the numbers?
local function are_kinds_alike(a, b, same_device)
  for _, name in ipairs(planned) do
    if a[name] ~= b[name] then -- of numbers there is no text
      return false
    end
  end
  for _, name in ipairs(of_device) do
    if not is_alike(name, a[name] or "", b[name] or "", same_device) then
      return false
    end
  end
  return true
end

--- Tells of two rows whether they are the same, as far as the columns tell without a table for each; false:
--- maybe not.
local function sameness(a, b, same_device)
  if not (a.lists and b.lists) then
    return function() return false end
  end
  local none, known = setmetatable({}, { __index = function() return "none" end }), {}
  local trials, other_trials = a.lists.trial or none, b.lists.trial or none
  local blocks, other_blocks = a.lists.block or none, b.lists.block or none
  local onsets, other_onsets = a.lists.onset_planned_us or none, b.lists.onset_planned_us or none
  local kinds, others = a.kind, b.kind
  return function(row, other, since_ns)
    local kind, against = kinds[row], others[other]
    local of = known[kind] or {}
    known[kind] = of
    local alike = of[against]
    if alike == nil then
      alike = are_kinds_alike(a.words[kind], b.words[against], same_device)
      of[against] = alike
    end
    local x, y = onsets[row], other_onsets[other]
    return alike and trials[row] and trials[row] == other_trials[other] and blocks[row]
      and blocks[row] == other_blocks[other] and math.type(x) and math.type(y)
      and math.abs(whole_ns(x) - whole_ns(y) - since_ns) <= 1
  end
end

---@class moonpulse.PulsesHow
---@field since fun(pulse: integer): integer? how much later its plan began than in the made run, ns; nil:
---   it is of no plan that is known; it is asked for ascending pulses
---@field whole boolean the run came to its own end: it has all pulses
---@field same_device boolean
---@field what string what the made rows are, as "the kept text makes"
---@field upto integer? the pulses up to this one only

--- What of a pulse is not as in the other table, in words; and the line that it is in.
local function difference(a, b, pulse, since_ns, how)
  local row, other = row_of(a, pulse), row_of(b, pulse)
  if not row then
    return how.whole and ("it has no row of pulse %d, and %s one on channel %s, %s %%%s"):format(pulse,
      how.what, other.cells.channel, other.cells.intensity, other.cells.intensity_ref)
  elseif not other then
    return ("pulse %d is one more than %s"):format(pulse, how.what), row.line
  end
  local parts = differences(row, other, since_ns, how.what, how.same_device)
  return parts[1] and ("pulse %d: %s"):format(pulse, table.concat(parts, "; ")), row.line
end

--- Each pulse of a run against the one of that number of the run that was made again.
---@param text string events.tsv
---@param made string the same of the run that was made again
---@param how moonpulse.PulsesHow
---@param findings moonpulse.VerifyFindings
function M.compare(text, made, how, findings)
  local a, b = pulses_of(text), pulses_of(made)
  local ours, theirs, i, k, found = a.pulses, b.pulses, 1, 1, 0
  local is_same = sameness(a, b, how.same_device)
  while (ours[i] or theirs[k]) and found < most_named do
    local pulse = math.min(ours[i] or math.maxinteger, theirs[k] or math.maxinteger)
    if pulse > (how.upto or math.maxinteger) then
      return
    end
    local row, other, since_ns = a.row[pulse], b.row[pulse], how.since(pulse)
    if not (row and other) or since_ns and not is_same(row, other, since_ns) then
      local words, line = difference(a, b, pulse, since_ns, how)
      if words then
        found = found + 1
        findings:differ("events.tsv", line, "%s", words)
      end
    end
    i, k = row and i + 1 or i, other and k + 1 or k
  end
end

return M
