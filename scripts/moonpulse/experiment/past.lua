--- What the script of a run that broke off was told until then, for the run that goes on with it
--- (moonpulse resume): the same script is told the same again, at once and with nothing given, and so comes
--- to where it was; from then on it is asked, waits and gives as ever. Its new journal has what was told
--- before in lines of the kind "before", so that the record of the rest can be checked and done again alone.
---
--- Parts side by side (run:spawn) share variables, so each is told its own only when all that came before was
--- told to the others: what stood between two of these has the order that it had. Where a part went on after
--- something that took time the journal has a "turn".
local core = require "moonpulse.core"
local recalls = require "moonpulse.experiment.recall"
local refusals = require "moonpulse.text.refusal"
local triggers_before = require "moonpulse.experiment.triggers_before"

local M = {}

---@class moonpulse.PastEntry what the script was told, in its order; times from the script's beginning
---@field what string "now", "answer", "trigger", "play", "ahead", "watch", "refused", "turn", "said", "end",
---   or what was read
---@field part integer? of the script that was told; nil: the script itself
---@field since_ns integer[]? of "now": one after the other
---@field at_ns integer? of "trigger" when it came (nil: none came in time), of "end" when it broke off
---@field starts_ns integer[]? of a plan: when it started, each time
---@field pulses integer? of a plan
---@field seed integer? of a plan
---@field given integer? of what broke off: so many of its pulses were given, of all its starts; of "end": of
---   all before it
---@field came integer? of a plan that triggers start, and that broke off: so many of them came
---@field triggers moonpulse.TriggersBefore? of "end": those that came before it
---@field perhaps integer? of "end": of what was given before it, of so many nobody knows
---@field marks integer? of a plan that broke off: so many of its marks were given
---@field value any of what was read, answered or came of it; nil: it broke off before; of "said" the
---   text of a mark behind which it was told nothing more (else that it was said goes without saying)
---@field verb string? of "refused", with why and code
---@field ago_ns integer? of "end", with counts: as of moonpulse.Past; of a plan: how much longer ago it was,
---   for runs went on one after the other, and what was between them is not of the script's clock
---@field other_session boolean? of a plan: it was of another day's session

---@class moonpulse.PastPlay a plan that was begun
---@field at integer its entry
---@field before integer pulses that its run planned before it
---@field pulses integer
---@field marks integer 0 also where its journal does not say
---@field start_ns integer from its run's start

---@class moonpulse.Past
---@field entries moonpulse.PastEntry[]
---@field at integer the entry that is told next
---@field read integer of that one, of the clock, so many times were told
---@field on_over (fun())? called once nothing is left to be told: run/experiment.lua
---@field plays integer plans that were given or begun
---@field pulses integer that they gave
---@field over_ns integer the script's clock where it broke off; 0: nothing was before
---@field ago_ns integer how long ago that was, besides
---@field triggers moonpulse.TriggersBefore? those that came until then
---@field counts boolean it is of the same session: what it gave is judged with what is given now
---@field left table<integer, integer> entries that are not told yet, of each part; 0: the script itself
---@field alive integer parts that were begun and are not over
---@field idle table<any, true> who looked, since something was told, and it was another's turn
---@field waiting table? of experiment/waiting.lua, of a script with parts
---@field part (fun(): integer?)? which part runs, the same
local Past = {}
Past.__index = Past

local function whole(value)
  return math.tointeger(tonumber(value))
end

-- what a script reads, and the verbs that it is told of by a reading alone
local readings = { status = true, limits = true, identity = true, triggers = true, trigger_count = true,
  armed = true, arm = true, disarm = true, stop = true, turn = true }
local of_script = { requested = true, finished = true } -- stops that are the script's own

local takes = {}

function takes.read(self, entry)
  if entry.lost == true then
    self.why = "its script looked at the clock or the device more often than the journal keeps"
  elseif entry.what == "now" then
    local list = {}
    for i, ns in ipairs(type(entry.since_ns) == "table" and entry.since_ns or {}) do
      list[i] = whole(ns) or 0
    end
    self:add { what = "now", since_ns = list }
  elseif readings[entry.what] then
    self.turns = self.turns or entry.what == "turn"
    self:add { what = entry.what, value = entry.value }
  elseif (entry.what == "on_trigger" or entry.what == "watch") and self.ahead then
    self.ahead.value, self.ahead = entry.value, nil
    self.armed = self.armed and entry.what ~= "watch" -- which disarms
  end
end

function takes.answer(self, entry)
  if entry.of == "script" and type(entry.answer) == "string" then
    self:add { what = "answer", value = entry.answer }
    self.from_file = self.from_file + (entry.source == "--answers" and 1 or 0)
  end
end

function takes.trigger(self, entry)
  if entry.heard ~= nil and self.ahead then
    self.ahead.came = (self.ahead.came or 0) + (whole(entry.count) or 1)
  elseif entry.heard == nil and entry.starts == nil then
    self:add { what = "trigger", at_ns = (whole(entry.at_ns) or 0) + self.zero_ns, value = whole(entry.byte) }
  end
end

function takes.mark(self, entry)
  if entry.text == recalls.no_trigger then
    self:add { what = "trigger" }
  elseif entry.script == true and not self.turns then -- else the part's turn tells it
    table.insert(self.said, { what = "said", value = tostring(entry.text) })
  end
end

function takes.refused(self, entry)
  self:add { what = "refused", verb = tostring(entry.what), why = tostring(entry.why), code = entry.code }
end

local function begin_ahead(self, entry, what)
  self.ahead = self:add { what = what, starts_ns = {}, pulses = whole(entry.pulses),
    seed = whole(entry.seed) }
end

function takes.ahead(self, entry) begin_ahead(self, entry, "ahead") end
function takes.watch(self, entry)
  begin_ahead(self, entry, "watch")
  self.watch_count = whole(entry.count)
end

function takes.play(self, entry)
  local at_ns = (whole(entry.start_ns) or 0) - self.origin_ns + self.zero_ns
  if entry.triggered == true or entry.external ~= nil then
    if self.ahead then
      table.insert(self.ahead.starts_ns, at_ns)
    end
    if self.ahead and self.ahead.what == "watch" and #self.ahead.starts_ns == self.watch_count then
      self.ahead.value = { pulses = self.watch_count, why = "count" } -- also where nobody wrote its end
    end
  else
    self:add { what = "play", starts_ns = { at_ns }, pulses = whole(entry.pulses), seed = whole(entry.seed) }
  end
  local before, pulses = self.plays[#self.plays], whole(entry.pulses) or 0
  table.insert(self.plays, { at = #self.entries, before = before and before.before + before.pulses or 0,
    pulses = pulses, marks = whole(entry.marks_planned) or 0, start_ns = at_ns - self.zero_ns })
end

local Reader = {}
Reader.__index = Reader

--- Add one. Who arms what is armed already is not the script: a run that went on with another one did it,
--- before the first plan that it gave (moonpulse.experiment.retold).
---@param entry moonpulse.PastEntry
---@return moonpulse.PastEntry
function Reader:add(entry)
  entry.part = entry.part or self.part
  if entry.what == "arm" and self.armed then
    return entry
  elseif entry.what == "arm" or entry.what == "disarm" or entry.what == "stop" then
    self.armed = entry.what == "arm"
  elseif entry.what == "watch" and entry.value then -- it came to its end, which disarms
    self.armed = false
  end
  self.said = {}
  table.insert(self.entries, entry)
  return entry
end

--- An entry as a line of a journal has it, and back; the byte of a trigger is whole, JSON's may be a float.
local function entry_of(line)
  local value = line.value
  if line.what == "trigger" then
    value = whole(value)
  end
  local entry = { what = line.what, part = whole(line.part), value = value, verb = line.verb,
    why = line.why, code = line.code,
    pulses = whole(line.pulses), seed = whole(line.seed), given = whole(line.given),
    marks = whole(line.marks), came = whole(line.came), triggers = triggers_before.clean(line.triggers),
    perhaps = whole(line.perhaps),
    at_ns = whole(line.then_ns), ago_ns = whole(line.ago_ns),
    counts = line.counts, other_session = line.other_session }
  for _, key in ipairs { "since_ns", "starts_ns" } do
    local list = type(line[key]) == "table" and {} or nil
    for i, ns in ipairs(list and line[key] or {}) do
      list[i] = whole(ns) or 0
    end
    entry[key] = list
  end
  return entry
end

local function line_of(entry)
  local line = { then_ns = entry.at_ns }
  for key, value in pairs(entry) do
    line[key] = key ~= "at_ns" and value or nil
  end
  return line
end

--- The last plan of entries up to a place: other parts may have been told something behind it.
---@param entries moonpulse.PastEntry[]
---@param from integer
---@return integer? at its place
function M.last_plan(entries, from)
  while from > 0 and not entries[from].starts_ns do
    from = from - 1
  end
  return from > 0 and from or nil
end

--- Is an entry what was left of the plan before it, which broke off? It has its number, and so its seed.
---@param entries moonpulse.PastEntry[]
---@param at integer? place of the entry
---@return integer? before place of that plan; nil: it is none
function M.rest_of(entries, at)
  local entry, before = entries[at], M.last_plan(entries, (at or 0) - 1)
  local was = entries[before]
  return entry and was and entry.what == "play" and was.what == "play" and was.given ~= nil
    and entry.seed == was.seed and before or nil
end

--- Of entries: how many plans and pulses they have, and where they end.
local function sum(entries)
  local plays, pulses = 0, 0
  for i, entry in ipairs(entries) do
    local starts = #(entry.starts_ns or {})
    plays = plays + (M.rest_of(entries, i) and 0 or starts)
    pulses = pulses + (entry.what ~= "end" and entry.given or starts * (entry.pulses or 0))
  end
  local last = entries[#entries]
  if last and last.what == "end" then
    return plays, last.given or pulses, last.at_ns or 0
  end
  return plays, pulses, 0
end

--- A run went on with what stands in the entries so far: what was given then is longer ago than the script's
--- clock says, and perhaps of another session.
local function is_longer_ago(entries, ended)
  for _, entry in ipairs(entries) do
    if entry.starts_ns then
      entry.ago_ns = (entry.ago_ns or 0) + (whole(ended.ago_ns) or 0)
      entry.other_session = entry.other_session or ended.counts ~= true or nil
    end
  end
end

--- What a run is told before it goes on: of entries; none: of a run that begins at its beginning.
---@param entries moonpulse.PastEntry[]?
---@return moonpulse.Past
function M.new(entries)
  local self = setmetatable({ entries = entries or {}, at = 1, read = 0, left = {}, alive = 1, idle = {} },
    Past)
  for _, entry in ipairs(self.entries) do
    local part = entry.part or 0
    self.left[part] = (self.left[part] or 0) + (entry.what ~= "end" and 1 or 0)
  end
  self.plays, self.pulses, self.over_ns = sum(self.entries)
  local last = self.entries[#self.entries] or {}
  self.counts, self.ago_ns, self.triggers = last.counts == true, last.ago_ns or 0, last.triggers
  return self
end

--- What a run's journal says that it was told before it went on.
---@param lines table[]
---@return moonpulse.Past
function M.of(lines)
  local entries = {}
  for _, line in ipairs(lines) do
    entries[#entries + 1] = line.kind == "before" and entry_of(line) or nil
  end
  return M.new(entries)
end

--- What a run that broke off was told: for the one that goes on with it.
---@param lines table[] of its journal
---@return moonpulse.PastEntry[]? entries without the end
---@return string? why not
---@return integer from_file answers that were taken from --answers
---@return integer zero_ns of the script's clock at the run's start
---@return moonpulse.PastPlay[] plays of this run
function M.until_now(lines)
  local self = setmetatable({ entries = {}, said = {}, from_file = 0, zero_ns = 0, plays = {},
    origin_ns = whole(lines[1] and lines[1].clock_ns) or 0 }, Reader)
  for _, line in ipairs(lines) do
    self.part = whole(line.part)
    self.parts = self.parts or line.part ~= nil
    if line.kind == "before" and line.what == "end" then
      self.zero_ns = whole(line.then_ns) or 0
      is_longer_ago(self.entries, line)
    elseif line.kind == "before" then
      self.turns = self.turns or line.what == "turn"
      self:add(entry_of(line))
    elseif line.kind == "end" or line.kind == "stop" and not of_script[line.reason] then
      break -- what follows is how it ended
    elseif takes[line.kind] then
      takes[line.kind](self, line)
    end
  end
  self.why = self.why or self.parts and not self.turns and "its script had parts side by side (run:spawn), "
    .. "whose order its version did not write down" or nil
  table.move(self.said, 1, #self.said, #self.entries + 1, self.entries)
  return not self.why and self.entries or nil, self.why, self.from_file, self.zero_ns, self.plays
end

--- Keep in the journal of a run what it is told before.
---@param audit moonpulse.Audit
function Past:keep(audit)
  for _, entry in ipairs(self.entries) do
    audit:tell("before", line_of(entry))
  end
end

local function another_way(entry, what)
  refusals.raise("usage", "the script went another way than in the run that it goes on with: it was told %s "
    .. "then, and asks for %s now; nothing more was given", entry.what, what)
end

--- The part of the script that runs; 0: the script itself.
local function own(self)
  return self.part and self.part() or 0
end

--- It is another's turn to be told something: wait until something was. Where all wait for each other, what
--- was told then does not come.
local function await_turn(self, entry)
  self.idle[core.current()] = true
  local idle = 0
  for _ in pairs(self.idle) do
    idle = idle + 1
  end
  if idle >= self.alive then
    another_way(entry, "something else")
  end
  self.waiting:wait()
end

--- Others look whether it is their turn now.
local function give_turn(self)
  self.idle = {}
  if self.waiting then
    self.waiting:wake()
  end
end

--- The next entry was told.
local function advance(self)
  local entry = self.entries[self.at]
  self.left[entry.part or 0] = self.left[entry.part or 0] - 1
  self.at = self.at + 1
  give_turn(self)
end

--- Is there more that the part of the script that runs was told before? Where there is none it waits until
--- the others were told all of theirs. Calls on_over once nothing is left.
---@return boolean
function Past:goes_on()
  while true do
    local entry = self.entries[self.at]
    if not entry then
      return false
    elseif entry.what == "said" then -- it asks for something else: it is past it
      advance(self)
    elseif (self.left[own(self)] or 0) > 0 then
      return true
    elseif entry.what == "end" then
      self.at = self.at + 1
      give_turn(self)
      if self.on_over then
        self.on_over()
      end
      return false
    end
    await_turn(self, entry)
  end
end

--- Is a mark to come that was said before? So what takes time in front of it is over.
---@return boolean
function Past:is_behind_mark()
  local entry = self.entries[self.at]
  return entry ~= nil and entry.what == "said"
end

--- Did the script say this mark before?
---@param text string as rows have it
---@return boolean
function Past:was_said(text)
  local at = self.at
  while self.entries[at] and self.entries[at].what == "said" do
    at = at + 1
    if self.entries[at - 1].value == text then
      while self.at < at do
        advance(self)
      end
      return true
    end
  end
  return self:goes_on()
end

--- The next entry, which is the running part's own.
local function own_entry(self)
  local entry = self.entries[self.at]
  while (entry.part or 0) ~= own(self) do
    await_turn(self, entry)
    entry = self.entries[self.at]
  end
  return entry
end

--- A part of the script was begun, or is over. Raises where one that is over was told more then.
---@param by 1|-1
---@param part integer? that is over
function Past:count_part(by, part)
  self.alive = self.alive + by
  if self.entries[self.at] then -- else nobody waits for a turn
    give_turn(self)
  end
  if part and (self.left[part] or 0) > 0 then
    another_way({ what = "more" }, "nothing")
  end
end

--- What the script was told then, of that kind. Raises what it was refused then; and a refusal where it asks
--- for something else now.
---@param what string
---@param verb string? that may have been refused
---@return moonpulse.PastEntry? nil: the run goes on from here
function Past:take(what, verb)
  if not self:goes_on() then
    return nil
  end
  local entry = own_entry(self)
  if verb and entry.what == "refused" and entry.verb == verb then
    advance(self)
    if type(entry.code) == "string" and refusals.status[entry.code] then
      refusals.raise(entry.code, "%s", entry.why)
    end
    error(entry.why, 0)
  elseif entry.what ~= what then
    another_way(entry, what)
  end
  advance(self)
  return entry
end

--- What the clock showed then.
---@return integer? since_ns
function Past:now()
  if not self:goes_on() then
    return nil
  end
  local entry = own_entry(self)
  if entry.what ~= "now" then
    another_way(entry, "the time")
  end
  self.read = self.read + 1
  local since_ns = entry.since_ns[self.read]
  if self.read >= #entry.since_ns then
    self.read = 0
    advance(self)
  end
  return since_ns or 0
end

--- Is a plan the one that was given then? Raises where it is not.
---@param entry moonpulse.PastEntry
---@param plan moonpulse.Plan
---@param seed integer
function M.check_plan(entry, plan, seed)
  local pulses = plan:totals().pulses
  if pulses ~= entry.pulses or seed ~= entry.seed then
    refusals.raise("usage", "the script plays another plan (%d pulses) than in the run that it goes on with "
      .. "(%s pulses); nothing more was given", pulses, tostring(entry.pulses))
  end
end

--- The script is over, and was told less than then: raises.
function Past:must_be_over()
  if self:goes_on() then
    another_way(own_entry(self), "nothing more")
  end
end

return M
