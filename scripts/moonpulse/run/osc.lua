--- What a run tells another program over OSC as it goes (--osc): docs/osc.md has each address. As the feed it
--- is the loop's, and is told rows and lines of the journal as they are written; nothing here waits, and
--- nobody need listen.
local core = require "moonpulse.core"
local messages = require "moonpulse.text.osc"
local numbers = require "moonpulse.text.numbers"
local refusals = require "moonpulse.text.refusal"

local M = {}

---@class moonpulse.OscTarget
---@field text string as it was written
---@field host string numeric
---@field port integer

--- Read what --osc says; for argparse.
---@param text string "9000", "127.0.0.1:9000", "[::1]:9000"
---@return moonpulse.OscTarget?
---@return string? message
function M.parse(text)
  local host, port = text:match "^(%d+%.%d+%.%d+%.%d+):(%d+)$"
  if not host then
    host, port = text:match "^%[([%x:.]+)%]:(%d+)$"
  end
  port = math.tointeger(tonumber(port or text:match "^%d+$"))
  if not port or port < 1 or port > 65535 then
    return nil, ("--osc %s: it is where a program listens, like 127.0.0.1:9000 (numbers, no name; 9000 "
      .. "alone is on this computer)"):format(text)
  end
  return { text = text, host = host or "127.0.0.1", port = port }
end

---@class moonpulse.Osc
---@field to moonpulse.core.Datagram
---@field record moonpulse.Record? once the run has its folder
---@field name string? of that
---@field lost integer messages that the system did not take
local Osc = {}
Osc.__index = Osc

--- Send a message.
---@param at_ns integer? when it was (monotonic); now
local function send(self, at_ns, address, types, ...)
  local wall_ns = core.wall_ns() - (at_ns and core.clock_ns() - at_ns or 0)
  if not self.to:send(messages.bundle(messages.message("/moonpulse/" .. address, types, ...), wall_ns)) then
    self.lost = self.lost + 1
  end
end

--- An instant of the run, monotonic.
local function instant(self, since_ns)
  return self.record.start_ns and self.record.start_ns + since_ns
end

--- A pulse has left, or the start of a train of the device's own: as moonpulse.Feed has it.
---@param number integer
---@param onset_ns integer from the run's start
---@param late_ns integer
---@param action moonpulse.Action
---@param pulses integer
function Osc:sent(number, onset_ns, late_ns, action, pulses)
  send(self, instant(self, onset_ns), "pulse", "isffi", number,
    action.channel ~= "" and action.channel or "1", action.mso, late_ns / 1e3, pulses)
end

local places, count = {}, 0
for name in core.event_header:gmatch "[^\t\n]+" do
  count = count + 1
  places[name] = count
end

local rows = {}

function rows.pulse(self, cell)
  send(self, nil, "result", "issi", cell.whole "pulse", cell.text "status", cell.text "trial_type",
    cell.whole "trial")
end

function rows.unasked_pulse(self)
  send(self, nil, "unasked_pulse", "")
end

function rows.mark(self, cell)
  send(self, cell.at "onset_planned_us", "mark", "s", cell.told or cell.text "reply")
end

function rows.code(self, cell)
  send(self, cell.at "onset_sent_us", "code", "iis", cell.whole "reply", cell.whole "pulse",
    cell.text "status")
end

function rows.set_intensity(self, cell)
  send(self, cell.at "onset_sent_us", "set", "sf", cell.text "channel",
    tonumber(cell.text "intensity_mso") or 0)
end

--- A row of events.tsv was written.
---@param text string
---@param told string? of a mark: what others are told in its text's place
function Osc:row(text, told)
  local cells = {}
  for cell in text:gmatch "[^\t\n]+" do
    cells[#cells + 1] = cell
  end
  local tell = rows[cells[places.event]]
  if tell then
    tell(self, {
      told = told,
      text = function(name) return cells[places[name]] or "" end,
      whole = function(name) return math.tointeger(tonumber(cells[places[name]])) or 0 end,
      at = function(name)
        local us = tonumber(cells[places[name]])
        return us and instant(self, math.floor(us * 1000 + 0.5)) or nil
      end,
    })
  end
end

--- Said when the run is over: nothing waits for a terminal before.
local function say_lost(self)
  if self.lost > 0 then
    io.stderr:write(("moonpulse: note: --osc: the system did not take %s\n"):format(
      numbers.counted(self.lost, "message")))
  end
end

local function text_of(value)
  return value ~= nil and tostring(value) or ""
end

local function whole(value)
  return math.tointeger(tonumber(value)) or 0
end

local acts = {}

function acts.begin(self, entry)
  send(self, nil, "begin", "sss", text_of(entry.what), text_of(entry.id), self.name)
end

function acts.arm(self, entry)
  send(self, nil, "armed", "sf", entry.channel ~= "" and text_of(entry.channel) or "1",
    tonumber(entry.mso) or 0)
end

function acts.disarm(self, entry)
  send(self, nil, "disarmed", "s", text_of(entry.new))
end

function acts.trigger(self, entry)
  send(self, nil, "trigger", "isi", math.tointeger(tonumber(entry.byte)) or -1,
    text_of(entry.heard or entry.input), math.max(1, whole(entry.count)))
end

function acts.stop(self, entry)
  send(self, nil, "stop", "s", text_of(entry.reason))
end

acts["end"] = function(self, entry)
  send(self, nil, "end", "ssii", text_of(entry.status), text_of(entry.stop), whole(entry.sent),
    whole(entry.planned))
  say_lost(self)
end

--- A line of the journal was written.
---@param kind string
---@param entry table
function Osc:act(kind, entry)
  if acts[kind] then
    acts[kind](self, entry)
  end
end

--- Have the socket. Leaves with exit status 2 where nothing can be sent there.
---@param target moonpulse.OscTarget
---@return moonpulse.Osc
function M.open(target)
  local to, message = core.datagram(target.host, target.port)
  if not to then
    refusals.raise("usage", "--osc %s: %s", target.text, message)
  end
  return setmetatable({ to = to, lost = 0 }, Osc)
end

--- The run has its folder: what is told goes there from now on, beside the feed, if there is one.
---@param context moonpulse.Context
function Osc:begin(context)
  self.record, self.name = context.record, context.record.folder:match "([^/]+)$"
  local both = require "moonpulse.run.told_both"
  context.record.feed = both.of(context.record.feed, self)
  context.job.audit.feed = both.of(context.job.audit.feed, self)
end

return M
