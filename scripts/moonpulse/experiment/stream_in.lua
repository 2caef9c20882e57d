--- A stream of LSL that triggers come from: it is there before the run goes on, and what becomes of it is
--- said. The engine finds and receives it (engine/lsl_in.h).
local core = require "moonpulse.core"
local escapes = require "moonpulse.text.escapes"
local numbers = require "moonpulse.text.numbers"
local refusals = require "moonpulse.text.refusal"

local M = {}

local patience_s = 10 -- for a stream that is not there yet
local reason_s = 1.5 -- for one that cannot be received
local look_s = 0.25
local most_said = 50 -- of one that comes and goes

---@class moonpulse.StreamIn
---@field session userdata whose port receives it
---@field what string the option and what it says, for messages
---@field say fun(text: string)
---@field was moonpulse.core.Stream as it was last looked at
---@field said integer
local Stream = {}
Stream.__index = Stream

--- Does a path name a stream of LSL?
---@param path string?
---@return boolean
function M.is_path(path)
  return path ~= nil and (path:find("^lsl:") or path:find("^lsl%-net:")) ~= nil
end

--- Of a stream that comes and goes all the time the first is told.
local function tell(self, text, ...)
  self.said = self.said + 1
  if self.said <= most_said then
    self.say(("%s: %s%s"):format(self.what, text:format(...), self.said == most_said
      and " (what becomes of it from now on is not said)" or ""))
  end
end

local function lost(self, now, why)
  tell(self, "%s was lost%s: it is looked for", escapes.shown(now.name), why and " (" .. why .. ")" or "")
end

--- Say what has changed since the last look.
local function look(self)
  local now, was = self.session:stream(), self.was
  if not now then -- the port was closed
    return
  end
  local why = now.why and escapes.shown(now.why)
  local again = now.connections > was.connections
  if was.receives and (again or not now.receives) then
    lost(self, now, why)
  elseif not now.receives and not again and now.connections > 0 and why and why ~= self.why then
    tell(self, "not received: %s", why)
  end
  if again then
    tell(self, "%s is received", escapes.shown(now.name))
    if not now.receives then
      lost(self, now, why)
    end
  end
  if now.first and not was.first then
    tell(self, "a sample \"%s\" is no byte, and passed over, as will be others: a whole number from 0 to 255 "
      .. "is one, or give it one: \"lsl:NAME;TEXT=BYTE\"", escapes.shown(now.first))
  end
  self.was, self.why = now, why or self.why
end

--- Wait until the stream is received. Raises a fault where it does not come, or a stop.
local function await(self, waiting)
  local why_ns
  waiting:until_true(function()
    look(self)
    why_ns = self.was.why and (why_ns or core.clock_ns())
    return self.was.connections > 0 or why_ns and core.clock_ns() - why_ns > reason_s * 1e9 or nil
  end, patience_s, 0.05)
  local why = self.was.why and escapes.shown(self.was.why)
  if self.was.connections > 0 then
    return
  elseif why then
    refusals.fault(("%s: the stream is not received: %s"):format(self.what, why))
  end
  refusals.fault(("%s: no such stream was found within %s: start the program that sends it first%s"):format(
    self.what, numbers.seconds(patience_s), self.what:find " lsl:" and "; streams of other computers are "
    .. "looked for by lsl-net: in place of lsl:" or ""))
end

--- Wait for the stream of a session's port, and say what becomes of it until close().
---@param session userdata open
---@param what string the option and what it says, for messages
---@param waiting table
---@param say fun(text: string) for the operator and the record
---@return moonpulse.StreamIn
function M.open(session, what, waiting, say)
  local self = setmetatable({ session = session, what = what, say = say, said = 0,
    was = { receives = false, connections = 0, samples = 0, passed_over = 0, dropped = 0 } }, Stream)
  await(self, waiting)
  self.watcher = core.spawn(function()
    while not self.over do
      core.wait(look_s)
      if not self.over then
        look(self)
      end
    end
  end)
  return self
end

--- What came of it all in all.
---@return { name: string, connections: integer, samples: integer, not_bytes: integer }
function Stream:facts()
  local now = not self.over and self.session:stream() or self.was
  return { name = now.name, connections = now.connections, samples = now.samples,
    not_bytes = now.passed_over }
end

--- The same in a few words: nil where there is nothing to say.
---@return string?
function Stream:summary()
  local facts, parts = self:facts(), {}
  if facts.not_bytes > 0 then
    parts[1] = ("%s of the stream %s no byte"):format(numbers.counted(facts.not_bytes, "sample"),
      facts.not_bytes == 1 and "was" or "were")
  end
  if facts.connections > 1 then
    local times = numbers.counted(facts.connections - 1, "time")
    parts[#parts + 1] = ("it was lost and found again %s"):format(times)
  end
  return parts[1] and table.concat(parts, "; ")
end

--- Nothing more is said; before the session is closed.
function Stream:close()
  if not self.over then
    self.was = self.session:stream() or self.was
    self.over = true
    self.watcher:wake()
  end
end

return M
