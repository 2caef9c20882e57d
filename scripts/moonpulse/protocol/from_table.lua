--- mp.from_table: a plan whose stimuli are given at the onsets of a table that lies beside the protocol.
local blame = require "moonpulse.text.author_line"
local building = require "moonpulse.compose.context"
local bytes_read = require "moonpulse.text.bytes_read"
local check = require "moonpulse.compose.check"
local compose = require "moonpulse.compose"
local core = require "moonpulse.core"
local in_order = require "moonpulse.text.in_order"
local intensities = require "moonpulse.compose.intensity"
local lfs = require "lfs"
local named_files = require "moonpulse.protocol.named_files"
local notes = require "moonpulse.text.notes"
local onset_table = require "moonpulse.protocol.onset_table"
local table_trains = require "moonpulse.protocol.table_trains"
local text_files = require "moonpulse.text.text_file"

local M = {}

local build, fail = blame.build, blame.fail

local MOST_BYTES = 1 << 22
local MOST_SHOWN = onset_table.MOST_SHOWN

local texts = {} -- by path, as they were read first: a record keeps one, and a plan is made again of it

--- The text of the table, and its name in messages; raises at the author's line.
local function read(name)
  if type(name) ~= "string" then
    fail("from_table: the name of a table expected, like mp.from_table \"onsets.tsv\", not %s",
      check.shown(name))
  elseif not name:find("%.tsv$") and not name:find("%.csv$") and not name:find("%.txt$") then
    fail("from_table: %s: a table is a text file .tsv, .csv or .txt, with tabs or commas between its columns",
      name)
  elseif name:find("^/") or ("/" .. name .. "/"):find("/../", 1, true) or name:find("\0", 1, true) then
    fail("from_table: %s: a table lies beside the protocol's file, or in a folder there: name it without its "
      .. "way from elsewhere", name)
  end
  local path = named_files.located("from_table", name)
  local mode = lfs.attributes(path, "mode")
  if mode ~= "file" then
    fail("from_table: %s is a %s, not a file", name, mode or "place that cannot be read")
  end
  local first = texts[path]
  if not (first and building.is_making()) then
    local text, message = text_files.read(path, { bytes = MOST_BYTES, name = "table" })
    if not text then
      fail("from_table: %s", message)
    elseif first and first ~= text then
      fail("from_table: %s is not what it was when this run read it first: write what is new into a table of "
        .. "another name", name)
    end
    texts[path] = text
  end
  bytes_read.note_named("table", path, name)
  return texts[path], name:match("[^/]*$")
end

--- Raised at the author's line, with the place in the table.
local function bad(self, row, text, ...)
  fail("from_table: %s:%d: %s", self.name, row.line, text:format(...))
end

--- The plan named so, as a row of the table made it.
local function described(self, row, plan, label)
  return core.describe(plan, ("%s:%d"):format(self.name, row.line), label)
end

--- The intensities of a cell: one, or those of a pair. Each cell's text is read once.
local function intensities_of(self, row)
  local list, cell = {}, row.cells.intensity
  local known = self.read[("%s %s"):format(cell, row.isi_ns ~= nil)]
  if known then
    return known
  end
  if not cell then
    bad(self, row, "intensity is missing: write it, like %s", "110%RMT or 45%MSO")
  end
  for word in cell:gsub("%s*%%%s*", "%%"):gmatch("%S+") do
    if not word:find("%a") and #word <= MOST_SHOWN then
      bad(self, row, "intensity %s does not say what it is a percentage of: write %s%%MSO, %s%%RMT or "
        .. "%s%%AMT", word, (word:gsub("%%", "")), (word:gsub("%%", "")), (word:gsub("%%", "")))
    end
    local intensity, message = intensities.parse(word)
    if not intensity and #word > MOST_SHOWN then
      message = ("%s is no intensity: write 80%%AMT, 110%%RMT or 45%%MSO"):format(onset_table.shown(word))
    end
    list[#list + 1] = intensity or bad(self, row, "intensity: %s", message)
  end
  if #list > 2 then
    bad(self, row, "%d intensities: a pulse has one, a pair two: the conditioning and the test pulse's",
      #list)
  elseif #list == 2 and not row.isi_ns then
    bad(self, row, "two intensities and no isi: write the seconds between the two pulses into a column isi")
  end
  self.read[("%s %s"):format(cell, row.isi_ns ~= nil)] = list
  return list
end

local function one_pulse(self, row, intensity)
  intensity = building.intensity() or intensity
  return described(self, row, build(core.pulse, intensity.value, intensity.reference), "pulse")
end

--- A pulse or a pair, of what the row says.
local function own_plan(self, row)
  local list = intensities_of(self, row)
  if not row.isi_ns then
    return one_pulse(self, row, list[1])
  elseif row.isi_ns == 0 then
    bad(self, row, "isi is 0: a pair has two pulses, one after the other; of a single pulse it is n/a")
  end
  notes.isi(("%d/1000000000"):format(row.isi_ns))
  local gap = build(core.rest, ("%d/1000000000"):format(row.isi_ns))
  return described(self, row, build(core.sequence_of, { one_pulse(self, row, list[1]), gap,
    one_pulse(self, row, list[2] or list[1]) }), "pair")
end

--- The plan that a protocol gives for a row.
local function given_plan(self, row)
  local of, kind = self.of, row.cells.trial_type
  if check.is_plan(of) then
    return of
  end
  return kind and of[kind] or bad(self, row, "%s, and of = { ... } says by trial_type what is given: it has "
    .. "%s", kind and "trial_type is " .. onset_table.shown(kind) or "trial_type is missing",
    table.concat(in_order.keys(of), ", "))
end

local function on_channel(self, row, plan, channel)
  local totals, problem = plan:totals(), check.channel_problem(channel)
  if problem then
    bad(self, row, "channel: %s", problem)
  elseif totals.pulses > 0 and not totals.unnamed then
    bad(self, row, "channel is %s, and each pulse of what is given there has a channel already: leave one "
      .. "out", onset_table.shown(channel))
  end
  return compose.at(plan, channel)
end

--- The plan with its condition. A record calls what nobody named by its kind, and its table may come back.
local function labelled(self, row, plan, kind)
  local problem = check.label_problem(kind)
  if problem then
    bad(self, row, "%s", problem)
  elseif not check.is_kind(kind) then
    return build(core.tagged, plan, kind)
  elseif not self.of and kind ~= (row.isi_ns and "pair" or "pulse") then
    bad(self, row, "trial_type %s is what a record calls a %s that has no name, and this is a %s: use "
      .. "another name, like TS", kind, kind == "together" and "stimulus" or kind,
      row.isi_ns and "pair" or "pulse")
  end
  return plan
end

local function with_code(self, row, plan)
  if plan:totals().coded then
    bad(self, row, "code is %d, and what is given there has an event code already: leave one out", row.code)
  end
  return build(core.coded, plan, row.code)
end

--- The plan of a row, with its channel, its condition and its event code. Equal ones of a protocol's own
--- plans are one.
local function plan_of(self, row)
  local plan = self.of and given_plan(self, row) or own_plan(self, row)
  local channel, kind = row.cells.channel, row.cells.trial_type
  local key = self.of
    and ("%d\1%s\1%s\1%s"):format(plan:id(), channel or "\0", kind or "\0", row.code)
  if key and self.made[key] then
    return self.made[key]
  end
  local made = channel and on_channel(self, row, plan, channel) or plan
  if kind and check.unlabelled(made) then
    made = labelled(self, row, made, kind)
  end
  made = row.code and with_code(self, row, made) or made
  if key then
    self.made[key], self.kept[#self.kept + 1] = made, plan
  end
  return made
end

--- Seconds as an exact fraction, of nanoseconds.
local function exact(ns)
  return ("%d/1000000000"):format(ns)
end

--- Until when a row has its coil, in nanoseconds: its plan's end, or right behind its last pulse.
local function end_ns(row)
  local totals = row.plan:totals()
  local last = totals.span_max - totals.span + totals.last
  return row.onset_ns + math.max(math.ceil(totals.span_max * 1e9 - 0.05), math.floor(last * 1e9 + 0.5) + 1)
end

--- Raise where two rows that overlap are of one channel.
local function check_beside(self, row, rows)
  local mine = check.channels(row.plan)
  for _, other in ipairs(rows) do
    for channel in pairs(row.onset_ns < end_ns(other) and check.channels(other.plan) or {}) do
      local is_one = mine[channel] or mine[""] or channel == ""
      if is_one and other.onset_ns == row.onset_ns then
        bad(self, row, "onset %s is that of line %d as well, and one coil cannot give both: leave one out, "
          .. "or name the coils in a column channel", row.cells.onset, other.line)
      elseif is_one then
        bad(self, row, "onset %s is not behind the stimulus of line %d, which ends at %.9g s: raise it, or "
          .. "name the coils in a column channel", row.cells.onset, other.line, end_ns(other) / 1e9)
      end
    end
  end
end

--- Rows in groups that do not overlap: one row, or several of different channels.
local function groups_of(self, rows)
  local groups, last, ends = {}, nil, nil
  for i, row in ipairs(rows) do
    local before = rows[i - 1]
    if before and row.onset_ns < before.onset_ns then
      bad(self, row, "onset %s lies before that of line %d, %s: sort the rows by onset", row.cells.onset,
        before.line, before.cells.onset)
    end
    row.plan = plan_of(self, row)
    local lasts = end_ns(row)
    local is_over = last and row.onset_ns < ends
    if is_over then
      check_beside(self, row, last.rows)
    end
    if not is_over then
      last = { at = row.onset_ns, rows = {} }
      groups[#groups + 1] = last
    end
    last.rows[#last.rows + 1] = row
    ends = math.max(is_over and ends or 0, lasts)
  end
  return groups
end

--- What is given at once, as one part.
local function together(group)
  if group.train then
    return group.train
  elseif #group.rows == 1 then
    return group.rows[1].plan
  end
  local parts = {}
  for i, row in ipairs(group.rows) do
    local later = row.onset_ns - group.at
    parts[i] = later > 0 and build(core.sequence_of, { build(core.rest, exact(later)), row.plan }) or row.plan
  end
  return check.named(build(core.parallel, parts), "together")
end

--- The whole plan: each group is a trial, and lasts until the next one's onset.
local function assembled(groups)
  local parts = {}
  for i, group in ipairs(groups) do
    local following = groups[i + 1]
    local once = build(core.repeat_plan, together(group), 1, following and "train" or "gap",
      following and exact(following.at - group.at) or 0)
    if following then
      notes.rest("from_table", "the time from onset to onset", exact(following.at - group.at))
    end
    parts[i] = core.tagged(once, nil, "trial")
  end
  local all = #parts > 1 and build(core.sequence_of, parts) or parts[1]
  local trials = check.named(core.tagged(all, nil, "trials"), #parts > 1 and "trials" or "")
  return groups[1].at > 0 and build(core.sequence, build(core.rest, exact(groups[1].at)), trials) or trials
end

--- What the table has, and what the protocol says itself, must not be said twice.
local function check_columns(name, of, seen)
  for _, column in ipairs { "intensity", "isi" } do
    if of and seen[column] then
      fail("from_table: %s has a column %s, and of = says what is given, too: leave out one", name, column)
    end
  end
  if not of and not seen.intensity then
    fail("from_table: %s has no column intensity (like 110%%RMT): add it, or say here what is given: "
      .. "mp.from_table(%q, { of = mp.pulse(mp.rmt(110)) })", name, name)
  elseif type(of) == "table" and not seen.trial_type then
    fail("from_table: %s has no column trial_type, by which of = { ... } says what is given", name)
  end
end

--- of = a plan, or plans by their trial type.
local function check_of(of)
  if type(of) ~= "table" or check.is_plan(of) then
    return of and check.plan("from_table", "of", of)
  end
  local own = {}
  for key, plan in in_order.pairs(of) do
    if type(key) ~= "string" then
      fail("from_table: of = { ... } names plans by their trial_type: of = { TS = single, SICI = pair }")
    end
    own[key] = check.plan("from_table", "of." .. key, plan)
  end
  return next(own) and own or fail("from_table: of = { } names no plan")
end

--- A plan of a table: a header, and a row for each stimulus. Columns: onset (seconds from the plan's start;
--- what is written is what is given), and any of intensity ("110%RMT"; of a pair "80%RMT 120%RMT"), isi
--- (seconds), trial_type or label (the condition), channel, code (of each of its pulses). Rows are in the
--- order of their onsets. Each is a trial; rows of different channels that overlap are one, and with hz those
--- of a train. Span: to the end of the last one. Raises at the author's line, with the table's line, what is
--- not so.
---@param name string of the file, beside the protocol's
---@param options { of: moonpulse.Plan|table<string, moonpulse.Plan>|nil, hz: number|string|table|nil }?
---   of: what is given at each onset, or for each trial_type, instead of the columns intensity and isi; hz: a
---   rate or several: rows that give the same at such a rate, to the rounding of their onsets, are a train
---@return moonpulse.Plan
function M.plan(name, options)
  options = options ~= nil and blame.options("from_table", options, { of = "?plan", hz = "?rate" }) or {}
  local of, rates = check_of(options.of), table_trains.rates(options.hz)
  local text, short = read(name)
  local rows, found = onset_table.rows(text, short)
  if not rows then
    fail("from_table: %s", found)
  end
  check_columns(short, of, found.seen)
  local maker = { name = short, of = of, made = {}, kept = {}, read = {}, rates = rates,
    unit_ns = onset_table.rounded_to(rows) }
  local groups = groups_of(maker, rows)
  local said = {}
  said[1] = #found.others > 0
    and ("what stands in %s is not read"):format(table.concat(found.others, ", ")) or nil
  said[#said + 1] = not rates[1] and table_trains.rounding(maker, groups) or nil
  if said[1] then -- one note, for a line of the author's has one
    notes.say("from_table", ("%s: %s"):format(short, table.concat(said, "; ")))
  end
  return assembled(rates[1] and table_trains.joined(maker, groups, end_ns) or groups)
end

return M
