--- What the journal of an experiment says that its script was told: answers, triggers, the clock, the
--- device's readings, refusals, and when its plans began. A script that is told the same decides the same,
--- whatever the computer and the clock do. Each part of the script (run:spawn) is told its own; where the
--- journal has no more of something, recall has none either.
local ends_again = require "moonpulse.experiment.ends_again"

local M = {}

---@class moonpulse.Recall
---@field lost boolean? the script read more than the journal keeps
---@field parts boolean? the script had several parts
---@field ends moonpulse.RecalledEnds
---@field over_ns integer when it was over, as far as the journal tells, from the run's start
---@field began { at_ns: integer, byte: integer }? the trigger that the run's start waited for
local Recall = {}
Recall.__index = Recall

M.no_trigger = "trigger: none came in time"

--- A time of the journal in nanoseconds.
local function whole(value)
  return math.tointeger(tonumber(value))
end

--- What is kept for a part of the script: a number of JSON may be a float.
local function key_of(part, what)
  return ("%d %s"):format(whole(part) or 0, what)
end

local function queue_of(self, part, what)
  local key = key_of(part, what)
  local queue = self.queues[key] or { taken = 0 }
  self.queues[key] = queue
  return queue
end

local function put(self, part, what, value)
  table.insert(queue_of(self, part, what), value)
end

local function take(self, part, what)
  local queue = queue_of(self, part, what)
  queue.taken = queue.taken + 1
  return queue[queue.taken]
end

--- The same, and it stays the next one.
local function next_of(self, part, what)
  local queue = queue_of(self, part, what)
  return queue[queue.taken + 1]
end

local takes = {}

function takes.question(self, entry)
  self.asking = entry.of == "script" and (whole(entry.part) or 0) or nil
end

function takes.answer(self, entry)
  if entry.of == "script" and type(entry.answer) == "string" then
    put(self, entry.part, "answer", { text = entry.answer, at_ns = whole(entry.at_ns) or 0 })
    self.asking = nil
  end
end

--- What a question did not take comes again; what a trial did not is an answer that was taken before.
function takes.refused_answer(self, entry)
  if self.asking and entry.of == "script" and type(entry.answer) == "string" then
    put(self, self.asking, "answer", { text = entry.answer, at_ns = whole(entry.at_ns) or 0 })
  end
end

--- A plan was armed ahead: what it heard comes next.
function takes.ahead(self, entry)
  local from_ns = (whole(entry.from_ns) or self.origin_ns) - self.origin_ns
  self.ahead_last = { from_ns = from_ns, at_ns = whole(entry.at_ns) or from_ns, triggers = {}, count = 0,
    late_ns = self.is_real and whole(entry.tolerance_ns) or 0 }
  put(self, entry.part, "ahead", self.ahead_last)
  self.told[whole(entry.part) or 0] = nil
end

--- A stop ended that: so it is done again.
function takes.watched(self, entry)
  if self.watch_last and entry.why == nil then
    self.watch_last.stopped_ns = whole(entry.at_ns)
  end
end

--- Pulses from outside were waited for: those that came are plays.
function takes.watch(self, entry)
  local from_ns = (whole(entry.from_ns) or self.origin_ns) - self.origin_ns
  self.watch_last = { from_ns = from_ns, pulses = {} }
  put(self, entry.part, "watches", self.watch_last)
  self.told[whole(entry.part) or 0] = nil
end

function takes.arm(self, entry)
  put(self, entry.part, "arm", { at_ns = whole(entry.at_ns) or 0 })
  self.told[whole(entry.part) or 0] = nil
end

--- The first setting that the device was told for what comes next.
function takes.set(self, entry)
  local part = whole(entry.part) or 0
  self.told[part] = self.told[part] or whole(entry.told_ns)
end

local most_triggers, most_instants = 50000000, 1000 -- of a run; of a sum

--- Of a storm the journal has how many there were, from then to then. They come again so that each one that
--- started the plan has as many before it, and none of theirs does: with the first of them, which started
--- nothing, but for the last. Where it counts how long one came after the other, they are spread.
local function give_sum(last, entry, at_ns, count)
  local lasted_ns, place = whole(entry.lasted_ns) or 0, #last.triggers
  local instants = last.window and math.min(count, most_instants) or math.min(count, 2)
  for i = 1, instants do
    local so_many = count * i // instants - count * (i - 1) // instants
    if not last.window and instants == 2 then
      so_many = i == 1 and count - 1 or 1
    end
    last.triggers[place + i] = { at_ns = at_ns + lasted_ns * (i - 1) // math.max(1, instants - 1),
      byte = whole(entry.byte) or 0, count = so_many, closed = entry.heard == "gate", place = place + i,
      heard = entry.heard }
  end
  last.count = last.count + count
end

local function take_heard(self, entry)
  local last, count, byte = self.ahead_last, whole(entry.count) or 1, whole(entry.byte) or 0
  self.came = self.came + count
  if last and count >= 1 and self.came <= most_triggers and byte >= 0 and byte <= 255 then
    last.window = last.window or entry.heard == "window"
    give_sum(last, entry, whole(entry.at_ns) or 0, count)
  end
end

function takes.trigger(self, entry)
  if entry.heard ~= nil then
    return take_heard(self, entry)
  elseif entry.starts ~= nil then
    self.began = { at_ns = whole(entry.at_ns) or 0, byte = whole(entry.byte) or 0 }
    return
  end
  put(self, entry.part, "trigger", { at_ns = whole(entry.at_ns) or 0, byte = whole(entry.byte),
    again = entry.again == true })
end

function takes.mark(self, entry)
  if entry.text == M.no_trigger then
    put(self, entry.part, "trigger", { over_ns = whole(entry.at_ns) or 0 })
  end
end

function takes.read(self, entry)
  self.lost = self.lost or entry.lost == true
  for _, value in ipairs(type(entry.since_ns) == "table" and entry.since_ns or {}) do
    put(self, entry.part, tostring(entry.what), whole(value) or 0)
  end
  if type(entry.what) == "string" and type(entry.value) == "table" then
    put(self, entry.part, entry.what, entry.value)
  end
end

function takes.refused(self, entry)
  local number = whole(entry.number)
  self.told[whole(entry.part) or 0] = nil
  if number then
    self.refused[key_of(entry.part, number)] = {
      why = tostring(entry.why), code = type(entry.code) == "string" and entry.code or nil,
      at_once = entry.at_once == true or nil, at_ns = whole(entry.at_ns) or 0 }
  end
end

function takes.play(self, entry)
  local number, start_ns, from_ns = whole(entry.play), whole(entry.start_ns), whole(entry.from_ns)
  if number and start_ns and from_ns then
    local part = whole(entry.part) or 0
    self.plays[number] = { start_ns = start_ns - self.origin_ns, from_ns = from_ns - self.origin_ns,
      told_ns = self.told[part] }
    if entry.external ~= nil then
      local pulses = self.watch_last and self.watch_last.pulses or {}
      pulses[#pulses + 1] = start_ns - self.origin_ns
    elseif entry.triggered ~= true then
      put(self, part, "play", self.plays[number])
      self.told[part] = nil
    end
  end
end

--- From the lines of a journal.
---@param lines table[] in their order, the first one is the run's beginning
---@return moonpulse.Recall
function M.of(lines)
  local self = setmetatable({ queues = {}, refused = {}, plays = {}, told = {}, came = 0, over_ns = 0,
    is_real = type((lines[1] or {}).options) == "table" and lines[1].options.speed == 1,
    origin_ns = whole(lines[1] and lines[1].clock_ns) or 0, ends = ends_again.of(lines) }, Recall)
  local ended = false -- what follows is of later writers
  for _, entry in ipairs(lines) do
    self.over_ns = not ended and math.max(self.over_ns, whole(entry.at_ns) or 0) or self.over_ns
    ended = ended or entry.kind == "end"
    self.parts = self.parts or entry.part ~= nil
    if takes[entry.kind] then
      takes[entry.kind](self, entry)
    end
  end
  return self
end

--- The next answer of the operator.
---@param part integer?
---@return { text: string, at_ns: integer }? answer at_ns: when it came, from the run's start
function Recall:answer(part)
  return take(self, part, "answer")
end

--- What the next wait for a trigger came to.
---@param part integer?
---@return { at_ns: integer?, byte: integer?, again: boolean?, over_ns: integer? }? over_ns: none came by then
function Recall:trigger(part)
  return take(self, part, "trigger")
end

--- The next plan that this part armed ahead: when it called for it, when it was armed, and what it heard,
--- from the run's start. It is the next one until armed().
---@param part integer?
---@return { from_ns: integer, at_ns: integer, late_ns: integer, count: integer, triggers: { at_ns: integer,
---   byte: integer, count: integer, closed: boolean, heard: string }[] }? count: so many came, or of that one
---   so many at once; late_ns: by so much a pulse, and so the end of a plan, was late at most
function Recall:ahead(part)
  return next_of(self, part, "ahead")
end

--- The next time that this part waited for pulses from outside: when it called for them, and when each was
--- reported, from the run's start.
---@param part integer?
---@return { from_ns: integer, pulses: integer[], stopped_ns: integer? }? stopped_ns: a stop ended it then
function Recall:watch(part)
  return take(self, part, "watches")
end

--- The next plan is armed ahead: what it heard comes now, in the order of time.
---@param part integer?
---@return table? ahead as of ahead()
function Recall:armed(part)
  local ahead = take(self, part, "ahead")
  if ahead then
    table.sort(ahead.triggers, function(a, b)
      return a.at_ns < b.at_ns or a.at_ns == b.at_ns and a.place < b.place
    end)
  end
  return ahead
end

--- The next reading of the clock or the device.
---@param part integer?
---@param what string
---@return any
function Recall:reading(part, what)
  return take(self, part, what)
end

--- Was that try to arm or to play refused?
---@param part integer?
---@param number integer of its tries
---@return { why: string, code: string?, at_once: true?, at_ns: integer }? at_once: before the device was told
---   anything; at_ns: from the run's start
function Recall:refusal(part, number)
  return self.refused[key_of(part, number)]
end

--- When the stimulator was armed, of this part's next arming.
---@param part integer?
---@return { at_ns: integer }?
function Recall:arm(part)
  return take(self, part, "arm")
end

--- When this part began its next plan that no trigger started, and the first setting was told for it. It is
--- the next one until begun().
---@param part integer?
---@return { start_ns: integer, from_ns: integer, told_ns: integer? }?
function Recall:next_play(part)
  return next_of(self, part, "play")
end

--- That plan is begun.
---@param part integer?
function Recall:begun(part)
  take(self, part, "play")
end

--- When a plan was begun, and when it started, from the run's start.
---@param number integer
---@return { start_ns: integer, from_ns: integer }?
function Recall:play(number)
  return self.plays[number]
end

return M
