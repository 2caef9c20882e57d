--- Triggers that a script waits for: an edge on a line of the device's port, or a byte on another port.
local blame = require "moonpulse.text.author_line"
local core = require "moonpulse.core"
local device_edges = require "moonpulse.experiment.device_edges"
local line_bytes = require "moonpulse.experiment.line_bytes"
local numbers = require "moonpulse.text.numbers"
local queues = require "moonpulse.experiment.trigger_queue"
local reactions = require "moonpulse.record.reactions"
local refusals = require "moonpulse.text.refusal"
local streams = require "moonpulse.experiment.stream_in"
local summed = require "moonpulse.experiment.triggers_summed"
local term = require "term"
local trigger_files = require "moonpulse.experiment.trigger_file"
local value_words = require "moonpulse.text.value_words"

local M = {}

local Triggers = {}
Triggers.__index = Triggers

local full_s = 0.001 -- how often a full buffer is, at least; it may be read at once
local turn_ns = 20000000 -- a script that takes one byte after the other gives the loop a turn so often
local known = { line = "?text", edge = "?text", byte = "?number", timeout = "?number",
  fresh = "?true or false" }

--- The triggers of a run; bytes come once open() or play() was called.
---@param waiting table
---@param device_session userdata the session whose port has the lines
---@param on_lost fun(text: string) the port of the bytes is lost: ends the run
---@param say fun(text: string) bytes were passed over: for the operator and the record
---@param heard moonpulse.Heard
function M.new(waiting, device_session, on_lost, say, heard)
  return setmetatable({ waiting = waiting, device_edges = device_edges.new(waiting, device_session),
    on_lost = on_lost, say = say, heard = heard,
    queue = queues.new(), turned_ns = 0 }, Triggers)
end

--- What --trigger-in says for the keys of the terminal.
M.keys = "keys"

--- A pseudo-terminal for what is typed, read like any other port.
local function keys_port(self)
  if not (term.isatty(io.stdin) and term.isatty(io.stdout)) then
    refusals.raise("usage", "--trigger-in keys: keys are typed at a terminal, and this is none")
  end
  self.typewriter = assert(core.pty(nil, function() end))
  return self.typewriter:path()
end

--- Keys were typed: each byte is a trigger.
---@param bytes string
function Triggers:typed(bytes)
  if self.typewriter and not self.over then
    self.typewriter:write(bytes)
  end
end

--- Open the port whose bytes are triggers. Raises a fault.
---@param path string or M.keys
---@param baud integer
function Triggers:open(path, baud)
  self.path = path
  local port = path == M.keys and not core.is_virtual() and keys_port(self) or path
  self.session = core.session {
    on_bytes = function(bytes, arrival_ns)
      self.queue:push(bytes, arrival_ns)
      self.waiting:wake()
    end,
    on_outcome = function() end,
    on_gone = function(message)
      self.lost = ("--trigger-in %s is lost: %s"):format(path, message)
      self.on_lost(self.lost)
    end,
  }
  local ok, message = self.session:open(port, { baud = baud, bits = 8, parity = "none",
    stop_bits = 1, flow = "none" })
  if not ok then
    refusals.fault("--trigger-in: " .. message)
  elseif streams.is_path(path) then
    self.stream = streams.open(self.session, "--trigger-in " .. path, self.waiting,
      self.tell_stream or self.say)
  end
end

--- In virtual time nothing comes from outside: what comes, and when, is known.
---@param entries moonpulse.TriggerEntry[]
---@param from string? the file that says so
---@param far { inputs: function, fired: function } the simulator: moves the lines that come in, is fired
function Triggers:play(entries, from, far)
  self.wire = assert(core.wire(nil, function() end))
  self:open(self.wire:path(), 115200)
  self.path, self.from, self.entries, self.far = from, from, entries, far
  self.to_come = { bytes = 0, edges = 0, pulses = 0 }
  for _, entry in ipairs(entries) do
    local kind = entry.byte and "bytes" or entry.fires and "pulses" or "edges"
    self.to_come[kind] = self.to_come[kind] + (entry.stands and 0 or 1)
  end
  self.bytes = self.to_come.bytes
end

--- Let a byte come, or so many of it at once. None is lost where the port's buffer is full: it comes once
--- there is room.
local function say(self, byte, count)
  local text, wait_s = string.char(byte):rep(count or 1), full_s / 1000
  while not self.over and text ~= "" do
    local ok, _, _, written = self.wire:write(text)
    text = text:sub((ok and #text or written or 0) + 1)
    if text ~= "" then
      core.wait(wait_s)
      wait_s = math.min(full_s, 2 * wait_s)
    end
  end
  self.to_come.bytes = self.to_come.bytes - (count or 1)
end

--- Tell the simulator and the port's wire how the lines are.
local function show_levels(self)
  local levels = self.levels
  self.far:inputs(levels.cts, levels.dsr)
  self.wire:inputs(levels.cts, levels.dsr, levels.ri, levels.cd)
end

--- Let one come.
local function give(self, entry)
  if entry.byte then
    say(self, entry.byte)
  elseif entry.fires then
    self.to_come.pulses = self.to_come.pulses - 1
    self.far:fired()
  elseif not entry.stands then
    self.to_come.edges = self.to_come.edges - 1
    self.levels[entry.line] = entry.high
    show_levels(self)
    self.device_edges:set(entry.line, entry.high)
    if self.edges_count then
      say(self, line_bytes.of(entry.line, entry.high and "rising" or "falling"))
    end
  end
  self.waiting:wake()
end

--- The run starts at start_ns: times of play() count from there.
---@param start_ns integer monotonic
function Triggers:start(start_ns)
  self.start_ns = start_ns
  if not self.entries then
    return
  end
  local any
  self.levels, any = trigger_files.standing(self.entries)
  if any then
    show_levels(self)
  end
  self.player = core.spawn(function()
    for _, entry in ipairs(self.entries) do
      local left_ns = start_ns + entry.at_ns - core.clock_ns()
      if left_ns > 0 and not self.over then
        core.wait(left_ns / 1e9)
      end
      if self.over then
        return
      end
      give(self, entry)
    end
  end)
end

--- Raise, at the script's line, where it would wait for ever.
---@param kind "bytes"|"edges"
---@param ends boolean it waits for a while only
local function check_to_come(self, kind, ends, who)
  if not self.entries or ends or self.to_come[kind] > 0 then
    return
  end
  blame.fail("%s: %s: give it a timeout, or more triggers", who or "run:wait_trigger", self.from
    and ("no further %s comes by %s"):format(kind == "bytes" and "byte" or "edge",
      self.from:match "[^/]*$") -- verify and rerun have it in another folder
    or "in virtual time triggers come from --triggers FILE, and there is none")
end

--- From now on edges of lines are triggers. In real time that is the port's doing, and raises where it is not
--- opened so; in virtual time those of the file's that are still to come are bytes as well.
local function take_edges(self, who)
  if not self.entries and not line_bytes.is_path(self.path) then
    blame.fail("%s: edges of a port's lines are triggers with --trigger-in lines:%s", who,
      self.path and self.path:find("^/") and self.path or "/dev/ttyUSB1")
  elseif self.entries and not self.edges_count then
    self.edges_count = true
    self.to_come.bytes = self.to_come.bytes + self.to_come.edges
    self.bytes = self.bytes + self.to_come.edges
  end
end

--- For a plan that triggers start: the session whose port the engine reads. Raises where there is none.
---@param who string the verb, for messages
---@param rule { until_ns: integer?, gate: string?, line: string? } gate: a line of that port that it needs;
---   line: edges of its lines are the triggers
---@return userdata
function Triggers:lend(who, rule)
  local ends, gate = rule.until_ns ~= nil, rule.gate
  if not self.session then
    blame.fail("%s: where do triggers come from? Run it with --trigger-in PATH, or in virtual time with "
      .. "--triggers FILE", who)
  end
  if not self.heard.recall then
    if rule.line then
      take_edges(self, who)
    end
    if ends and self.entries and not self.from and self.to_come.bytes == 0 then
      blame.fail("%s: in virtual time triggers come from --triggers FILE, and there is none: its timeout "
        .. "would pass, and no pulse be given or judged", who)
    end
    check_to_come(self, "bytes", ends, who)
  end
  local cts, message = self.session:lines()
  if gate and cts == nil then
    blame.fail("%s: gate = %q: %s: take a serial port that has the line", who, gate, message)
  end
  self.queue:listen(self, true)
  return self.session
end

--- A plan is to wait for triggers: when that was called for (monotonic). Of a run that is told what an
--- earlier one was told that is when it was then: a script may have computed before it, which takes no time
--- now.
---@return integer called_ns
function Triggers:called()
  local was = self.heard.recall and self.heard.recall:ahead(self.heard:part())
  if not was then
    return core.clock_ns()
  end
  self.waiting:until_ns(self.start_ns + was.from_ns)
  return self.start_ns + was.from_ns
end

--- When one comes that came before a last pulse that may have been late: so much sooner, where nothing else
--- changes by it.
local function sooner(at_ns, heard, late_ns, rule)
  if heard == "outside" and rule.until_ns and at_ns > rule.until_ns then
    return math.max(at_ns - late_ns, rule.until_ns + 1)
  elseif heard == "over" or heard == "busy" and not rule.most_ns then -- with a window the time between counts
    return at_ns - late_ns
  end
  return at_ns
end

--- Of a run that is told what an earlier one was told: what such a plan heard then comes again, from when it
--- was armed on. One that found the plan still going on, or started as often as it may be, or its time over,
--- came before the last pulse was out, which may have been late then and is not now: it comes so much sooner.
---@param rule table of on_trigger
---@return integer late_ns it is armed so much later now, and all comes so much later
function Triggers:give_again(rule)
  local was = self.heard.recall and self.heard.recall:armed(self.heard:part())
  if not was then
    return 0
  end
  local armed_ns = self.start_ns + was.at_ns
  self.waiting:until_ns(armed_ns)
  local late_ns = core.clock_ns() - armed_ns
  self.to_come.bytes, self.bytes = was.count, self.queue.came + was.count
  core.spawn(function()
    for _, each in ipairs(was.triggers) do
      local at_ns = sooner(self.start_ns + each.at_ns, each.heard, was.late_ns, rule)
      local left_ns = at_ns + late_ns - core.clock_ns()
      if left_ns > 0 and not self.over then
        core.wait(left_ns / 1e9)
      end
      if self.over then
        return
      end
      local open = not each.closed -- the gate, whichever line that was
      self.wire:inputs(open, open, open, open)
      say(self, each.byte, each.count)
    end
  end)
  return late_ns
end

--- What the engine read of it, in order.
---@param bytes string
---@param heard string what became of each, an index of core.heard
---@param times integer|string when they came (monotonic), as core.session tells it
---@param matched integer so many of them are not "other": the plan has taken those
function Triggers:hear(bytes, heard, times, matched)
  self.queue:push(bytes, times, heard, matched)
  self.queue:listen(self, true) -- it is past them
  self.waiting:wake()
end

--- What the engine read and only counted.
---@param sums { byte: integer, heard: moonpulse.core.Heard, count: integer }[]
---@param until_ns integer when the last of them came
function Triggers:lose(sums, until_ns)
  for _, sum in ipairs(sums) do
    self.queue:lose(sum, until_ns)
  end
  self.waiting:wake()
end

--- Will no further byte come? In virtual time that is known; of a run that is told what an earlier one was
--- told once that one was over, as it waited until then.
---@return boolean
function Triggers:dried_up()
  local recall = self.heard.recall
  return self.entries ~= nil and self.to_come.bytes == 0 and self.queue.came >= self.bytes
    and (not recall or core.clock_ns() >= self.start_ns + recall.over_ns)
end

--- No more come; the port is let go of.
function Triggers:close()
  self.over = true
  self.device_edges:close()
  if self.player then
    self.player:wake()
  end
  if self.stream then
    self.stream:close()
  end
  if self.session then
    self.session:close()
  end
  if self.wire then
    self.wire:close()
  end
  if self.typewriter then
    self.typewriter:close()
  end
end

Triggers.__close = Triggers.close

local function bytes_text(count)
  return count == 1 and "1 trigger byte" or numbers.count(count) .. " trigger bytes"
end

local function say_missed(self, missed, what)
  if missed > 0 then
    self.say(("%s passed over: more came than are kept for a script that does not wait for them"):format(
      numbers.counted(missed, what)))
  end
end

--- What came before this part of the script first waited, or what it left for too long, is said.
local function listen(self, part, fresh)
  local queue = self.queue
  local missed = queue:listen(part, fresh)
  if queue.unheard > 0 and not self.said_unheard then
    self.said_unheard = true
    self.say(("%s came before the script first waited for one: passed over"):format(
      bytes_text(queue.unheard)))
  end
  say_missed(self, missed, "trigger byte")
end

--- Bytes that have come are taken without a wait; the loop, and whoever else waits, needs its turns.
local function give_turn(self)
  local now_ns = core.clock_ns()
  if now_ns - self.turned_ns > turn_ns then
    self.waiting:wait(0.001)
    self.turned_ns = core.clock_ns()
  end
end

local function wait_for_byte(self, byte, timeout, fresh, who)
  local part, first = core.current(), nil
  listen(self, part, fresh)
  give_turn(self)
  local at_ns, found
  self.waiting:until_true(function()
    if self.lost then
      refusals.fault(self.lost)
    end
    at_ns, found, first = self.queue:take(part, byte)
    if not at_ns then
      check_to_come(self, "bytes", timeout, who)
    end
    return at_ns
  end, timeout)
  return at_ns, found, first
end

--- How many bytes came and what became of them; nil without --trigger-in or --triggers.
---@return { came: integer, taken: integer, passed_over: integer, before: integer, dropped: integer,
---   on_trigger: table?, stream: table? }? on_trigger: of plans that waited for them, as
---   moonpulse.record.reactions has it; stream: of LSL, that they came from
function Triggers:counts()
  local queue = self.queue
  if not self.session or self.entries and not self.from then
    return nil
  end
  local ahead = self.on_trigger
  return { on_trigger = ahead and reactions.facts(ahead.by, ahead.untold, ahead.reactions_ns),
    came = queue.came, taken = queue.taken, passed_over = queue.came - queue.taken,
    before = queue.unheard, dropped = queue.dropped, stream = self.stream and self.stream:facts() }
end

--- The same in a sentence.
---@return string? nil without --trigger-in or --triggers
function Triggers:summary()
  local counts = self:counts()
  return counts and summed.all(self, counts)
end

local function wait_for_edge(self, line, edge, timeout, fresh)
  local part, edges = core.current(), self.device_edges
  say_missed(self, edges:listen(part, fresh, self.entries ~= nil), "edge")
  give_turn(self)
  return self.waiting:until_true(function()
    local at_ns = edges:take(part, line, edge)
    if at_ns then
      self.edges = (self.edges or 0) + 1
      self.queue.log:edge(line, edge, at_ns)
      return at_ns
    end
    check_to_come(self, "edges", timeout)
  end, timeout)
end

local function choice(who, value, first, second)
  if value ~= nil and value ~= first and value ~= second then
    blame.fail("run:wait_trigger: %s must be %q or %q, not %s", who, first, second, value_words.shown(value))
  end
  return value
end

--- What an earlier run's wait came to, at its time; false: it is not known.
local function wait_as_then(self)
  local recall = self.heard.recall
  local was = recall and recall:trigger(self.heard:part())
  if not was then
    return false
  end
  self.queue:listen(core.current())
  local at_ns = self.start_ns + (was.at_ns or was.over_ns)
  self.waiting:until_ns(at_ns)
  self.queue.taken = self.queue.taken + (was.byte and not was.again and 1 or 0)
  self.edges = was.at_ns and not was.byte and (self.edges or 0) + 1 or self.edges
  return true, was.at_ns and at_ns, was.byte, not was.again
end

--- Wait for a trigger: a byte, or an edge of a line, that no call of this part of the script was given yet,
--- from its first call on.
---@param options table? { byte } with --trigger-in; { fresh = true }: what came before is passed over;
---   { line = "cts"|"dsr", edge = "rising"|"falling" } of the device's port, or of that of --trigger-in
---   lines:PATH, which has "ri" and "cd" as well; { timeout } in seconds
---@return integer? at_ns when it came (monotonic); nil: the time was over
---@return integer? byte that came
---@param who string? for messages, instead of run:wait_trigger
---@return boolean? first no other part of the script was given this byte before
function Triggers:wait(options, who)
  options = blame.options("run:wait_trigger", options or {}, known)
  local of_port = options.line == "ri" or options.line == "cd"
    or options.line ~= nil and (self.edges_count or line_bytes.is_path(self.path))
  local line = not of_port and choice("line", options.line, "cts", "dsr") or nil
  local edge = choice("edge", options.edge, "rising", "falling") or "rising"
  local byte = of_port and line_bytes.asked("run:wait_trigger", options) or options.byte
  local timeout = options.timeout
  if byte ~= nil and (math.type(byte) ~= "integer" or byte < 0 or byte > 255) then
    blame.fail("run:wait_trigger: byte must be a whole number from 0 to 255, not %s", value_words.shown(byte))
  elseif timeout ~= nil and not (math.type(timeout) and timeout >= 0 and timeout < math.huge) then
    blame.fail("run:wait_trigger: timeout must be seconds, not %s", value_words.shown(timeout))
  elseif options.fresh ~= nil and type(options.fresh) ~= "boolean" then
    blame.fail("run:wait_trigger: fresh must be true or false, not %s", value_words.shown(options.fresh))
  end
  local is_known, then_ns, then_byte, first = wait_as_then(self)
  if is_known then
    return then_ns or nil, then_byte, first
  elseif of_port then
    take_edges(self, who or "run:wait_trigger")
  end
  if line or not self.session and not byte then
    return wait_for_edge(self, line or "cts", edge, timeout, options.fresh)
  elseif not self.session then
    blame.fail("run:wait_trigger: where do bytes come from? Run it with --trigger-in PATH")
  end
  return wait_for_byte(self, byte, timeout, options.fresh, who)
end

--- Wait for the byte that starts the run; whoever waits next in this part is given what comes after it.
---@param byte integer? nil: any
---@param timeout number? seconds
---@param edges boolean? it is that of an edge of a line
---@return integer? at_ns when it came (monotonic); nil: the time was over
---@return integer? byte
function Triggers:wait_for_start(byte, timeout, edges)
  local was = self.heard.recall and self.heard.recall.began
  if not was and edges then
    take_edges(self, "--start-on")
  end
  if not was then
    return self:wait({ byte = byte, timeout = timeout }, "--start-on")
  end
  local at_ns = self.start_ns + was.at_ns
  self.queue:listen(core.current())
  self.waiting:until_ns(at_ns)
  self.queue.taken = self.queue.taken + 1
  return at_ns, was.byte
end

return M
