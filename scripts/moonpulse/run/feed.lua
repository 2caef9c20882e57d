--- What a run tells other programs as it goes (--events), and what they may ask of it: docs/driving.md.
-- Everything is the loop's: nothing here waits, and who does not read is let go of.
local core = require "moonpulse.core"
local escapes = require "moonpulse.text.escapes"
local cjson = require "cjson.safe"
local judge = require "moonpulse.safety.judge"
local lines = require "moonpulse.run.feed_lines"
local notes = require "moonpulse.record.note"
local places = require "moonpulse.run.feed_place"
local refusals = require "moonpulse.text.refusal"
local results = require "moonpulse.run.result"
local stops = require "moonpulse.run.stop_sources"

local M = {}

local patience_s, most_s = 0.25, 1 -- at the end, for who has not read everything yet
local most_words = 200 -- of who asks: bytes

---@class moonpulse.Feed
---@field feed moonpulse.core.Feed
---@field path string
---@field number integer of the last line
---@field state string of a status
---@field context moonpulse.Context? once the run has its folder
local Feed = {}
Feed.__index = Feed

--- Make the socket. Leaves with exit status 2 where that cannot be.
---@param named string? a path or a name; nil: a name of its own
---@param id string of what is run
---@return moonpulse.Feed
function M.open(named, id)
  local path, message = places.new(named, id)
  local feed, why, code
  if path then
    feed, why, code = core.feed(path)
    message = why and ("%s%s"):format(why, code == "busy" and "; name another one" or "")
  end
  if not feed then
    refusals.raise("usage", "--events: %s", message)
  end
  return setmetatable({ feed = feed, path = path, number = 0, state = "starting", marks = 0, safe = true,
    left = {} }, Feed)
end

--- Readers that were let go of. Said when the run is over: nothing waits for a terminal before.
local function say_dropped(self)
  local _, _, dropped = self.feed:counts()
  if dropped > 0 then
    io.stderr:write(("moonpulse: note: --events: %d of its readers did not read, and %s let go of\n"):format(
      dropped, dropped == 1 and "was" or "were"))
  end
end

--- Tell all readers.
---@param event string
---@param fields table
function Feed:tell(event, fields)
  self.number = self.number + 1
  if not self.feed:tell(lines.line(event, self.number, fields)) then
    self.feed:tell(lines.line(event, self.number, { too_long = true })) -- its number is not missing
  end
end

--- A row of events.tsv was written.
---@param text string
function Feed:row(text)
  self.number = self.number + 1
  self.feed:tell(lines.row(self.number, text))
end

local states = { begun = "connected", armed = "armed", stop = "stopping" }

--- A device was armed, or left: of several it is safe when all of them are.
local function note_left(self, event, fields)
  local left = self.left
  left[fields.device or 1] = event == "armed" and "armed" or fields.new
  local armed, sure = false, true
  for _, how in pairs(left) do
    armed, sure = armed or how == "armed", sure and how == "disarmed"
  end
  self.safe = sure
  if event == "disarmed" and not armed then
    self.state = event
  elseif event == "disarmed" and self.state ~= "stopping" then
    self.state = "armed"
  end
end

--- A line of the journal was written.
---@param kind string
---@param entry table
function Feed:act(kind, entry)
  local event, fields = lines.act(kind, entry, self.context and self.context.job.audit.origin_ns)
  if not event then
    return
  end
  self.state = self.state ~= "stopping" and states[event] or self.state
  if event == "armed" or event == "disarmed" then
    note_left(self, event, fields)
  end
  if event == "begun" then -- who came while it asked was not told
    fields.run, fields.folder = self.run, self.folder
  end
  self:tell(event, fields)
  if event == "question" then
    self.question_n = self.number
  end
end

--- A pulse has left, or the start of a train of the device's own; its row follows when all of it is known.
---@param number integer of the pulse in the run
---@param onset_ns integer from the run's start
---@param late_ns integer
---@param action moonpulse.Action
---@param pulses integer that it starts
function Feed:sent(number, onset_ns, late_ns, action, pulses)
  self:tell("sent", { pulse = number, onset = onset_ns / 1e9, lateness_us = late_ns / 1e3,
    channel = action.channel ~= "" and action.channel or "1", intensity_mso = action.mso, pulses = pulses })
end

--- What the safety gate has against what is given.
---@param finding moonpulse.Finding
function Feed:finding(finding)
  self:tell("finding", { verdict = finding.verdict, rule = finding.rule, text = judge.sentence(finding) })
end

-- What is asked --------------------------------------------------------------------------------------------

--- Words of another program, as they may be kept: a line that no terminal obeys.
local function words(value, most)
  local text = type(value) == "string" and escapes.shortened((value:gsub("%c", " ")), most) or ""
  return text ~= "" and text or nil
end

local function who(asked, process)
  return ("%s, process %d"):format(words(asked.by, most_words) or "it gave no name", process)
end

local asks = {}

function asks.status(self)
  local context = self.context
  local record, readers, _, dropped, turned_away = context.record, self.feed:counts()
  local now_ns = core.clock_ns()
  return { state = self.state, run = self.run, folder = self.folder, safe = self.safe,
    kind = context.kind or "protocol", id = context.job.protocol.id, name = context.job.protocol.name,
    participant = context.job.policy.participant, device = context.device.name,
    simulated = context.device.simulated, speed = context.speed,
    stop = context.job.stop_reason,
    since_start_s = record.start_ns and (now_ns - record.start_ns) / 1e9 or nil,
    pulses = { planned = context.facts.pulses, sent = record.pulses_sent,
      confirmed = record.pulses_confirmed, skipped = record.pulses_skipped },
    readers = readers, dropped = dropped, turned_away = turned_away }
end

function asks.stop(self, asked, process)
  local job = self.context.job
  if job.stop_reason or self.state == "ended" then
    return { already = job.stop_reason or "ended" }
  end
  local why = words(asked.why, most_words)
  job.stopper = ("another program (%s)%s"):format(who(asked, process), why and ": " .. why or "")
  stops.interrupt(job, "program")
  return {}
end

function asks.mark(self, asked, process)
  local text = asked.text
  local problem = type(text) ~= "string"
    and "a text is needed, like {\"do\":\"mark\",\"text\":\"coil moved\"}" or notes.problem(text)
  if problem then
    return nil, problem
  elseif not self.context.journal or self.state == "ended" then
    return nil, "the record takes none now: it has not begun, or is being closed"
  elseif self.marks >= notes.most_notes then
    return nil, ("a run takes %d marks, and it has them: keep the others yourself"):format(notes.most_notes)
  end
  self.marks = self.marks + 1
  self.context.job.audit:tell("marked", { text = text, source = who(asked, process) })
  return {}
end

--- The answer to a question of a script: the operator may give it as well, whoever is first.
function asks.answer(self, asked, process)
  local keyboard = self.context.keyboard
  if not keyboard then
    return nil, "no question is open"
  elseif asked.n ~= nil and asked.n ~= self.question_n then -- said once more, it must not answer the next one
    return nil, ("the last question is line %s of the feed"):format(self.question_n or "n/a")
  end
  local taken, why = keyboard:offer(asked.text, ("another program (%s)"):format(who(asked, process)),
    asked.question)
  return taken and {} or nil, why
end

function asks.pause(self, asked, process)
  local job = self.context.job
  if not job.can_pause then
    return nil, job.cannot_pause and job.cannot_pause .. ", and could not be gone on with: stop it"
      or "nothing is being given that could be paused"
  end
  stops.pause(job, function(text, ...)
    self:tell("pause", { text = select("#", ...) > 0 and text:format(...) or text,
      cannot = job.pausing.cannot })
  end, ("another program (%s)"):format(who(asked, process)))
  return {}
end

local function answer_of(self, process, line)
  local asked = cjson.decode(line)
  local is_object = type(asked) == "table" and type(asked["do"]) == "string"
  local ask = is_object and asks[asked["do"]]
  if not ask then
    return { ok = false, why = "one line of JSON is expected, at most 4095 bytes: {\"do\":\"status\"}, stop, "
      .. "mark or answer (with \"text\"), or pause" }, true
  end
  local found, why = ask(self, asked, process)
  local answer = found or {}
  answer.ok, answer.why, answer.to = found ~= nil, why, asked["do"]
  return answer
end

--- The first line of whoever comes.
local function hello(self)
  local _, _, _, _, first = self.feed:counts()
  local status = asks.status(self)
  status.format, status.version, status.moonpulse = "moonpulse feed", lines.version, core.version
  status.first_n, status.pid = first, core.host().pid
  return status
end

local function hear(self, process, line)
  if not line then
    return lines.line("hello", 0, hello(self))
  end
  local answer, leave = answer_of(self, process, line)
  return lines.line("answer", 0, answer), leave
end

-- The run --------------------------------------------------------------------------------------------------

--- Whoever has connected is heard from now on.
local function serve(self)
  self.feed:serve(function(_, process, line)
    local ok, text, leave = pcall(hear, self, process, line)
    if ok then
      return text, leave
    end
    text = "it failed: " .. escapes.shown(tostring(text))
    return lines.line("answer", 0, { ok = false, why = text }), true
  end, lines.refused("the run has 32 readers already: close one of them", self.run, self.folder))
end

--- The operator may be asked now, and there is no folder yet: who connects can ask and stop it all the same.
---@param job moonpulse.Job
---@param simulated boolean
---@param speed number|"max"
---@param facts moonpulse.Measured? of a protocol's plan
function Feed:expect(job, simulated, speed, facts)
  self.context = { job = job, kind = facts and "protocol" or "experiment", speed = speed,
    device = { name = job.driver.name, simulated = simulated },
    facts = { pulses = facts and facts.pulses or 0 },
    record = { pulses_sent = 0, pulses_confirmed = 0, pulses_skipped = 0 } }
  serve(self)
end

--- A question to the operator is open, or was answered.
---@param is_open boolean
function Feed:asking(is_open)
  self.state = is_open and "asking" or "starting"
end

--- The run has its folder.
---@param context moonpulse.Context
function Feed:begin(context)
  self.context = context
  self.run, self.folder = context.record.folder:match "([^/]+)$", context.record.folder
  context.record.feed, context.job.feed, context.job.audit.feed = self, self, self
  serve(self)
  for _, finding in ipairs(context.job.safety and judge.concerns(context.job.safety) or {}) do
    self:finding(finding) -- of a protocol; those of an experiment come with its plans
  end
end

--- Let whoever waits at the socket be taken in.
local function take_in()
  for _ = 1, 3 do
    pcall(core.wait, 0)
  end
end

--- The run is over: its last line. The socket goes.
---@param status integer the exit status
---@param message string? why it did not come to its end
---@param folder string? of its record, where it was refused before it began
function Feed:finish(status, message, folder)
  if not self.context then -- it was refused before anybody could be heard
    local line = lines.refused(message or "the run is over")
    self.feed:serve(function() return line, true end, line)
    take_in()
  else
    if not self.folder and folder then
      self.run, self.folder = folder:match "([^/]+)$", folder
    end
    local result = self.folder and results.of(self.folder, status, message)
      or { exit_status = status, message = message }
    result.what, result.lateness_us, result.run = nil, nil, self.run
    result.safe, self.state = self.safe, "ended"
    result.message = result.message and result.message:sub(1, 2000)
    take_in()
    self:tell("end", result)
  end
  self.feed:finish(patience_s, most_s)
  say_dropped(self)
  self.feed:close()
end

return M
