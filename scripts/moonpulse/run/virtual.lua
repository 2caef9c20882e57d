--- A run in virtual time: the same schedule, driver and twin, without waiting and without a port.
local admission = require "moonpulse.stimulator.admission"
local core = require "moonpulse.core"
local devices = require "moonpulse.driver.find"
local faults = require "moonpulse.simulation.faults"
local ignored = require "moonpulse.record.ignored"
local listenings = require "moonpulse.stimulator.listening"
local refusals = require "moonpulse.text.refusal"
local virtual_trigger = require "moonpulse.run.virtual_trigger"
local witness = require "moonpulse.simulation.witness"

local M = {}

local STEP_NS = 100000000 -- a twin that speaks unasked is looked at so often

--- A link whose far side is a twin in this process and whose clock moves only when we move it.
local Link = {}
Link.__index = Link

function Link:fault(text, ...)
  local message = select("#", ...) > 0 and text:format(...) or text
  refusals.fault(("%s: %s"):format(self.driver.description, message))
end

--- Replies of the twin wait here until the clock comes by: parallel arrays, first to last.
function Link:enqueue(replies)
  if not replies then
    return
  end
  for i = 1, #replies do
    local reply, last = replies[i], self.last + 1
    self.at_ns[last], self.bytes[last], self.last = reply.at_ns, reply.bytes, last
  end
end

--- What the twin answered and logged in one call.
function Link:take(replies, log)
  local file = self.log
  for i = 1, file and log and #log or 0 do
    file:write(witness.line(log[i].at_ns or self.now_ns, log[i]))
  end
  self:enqueue(replies)
end

--- Let the twin's own time pass until to_ns: trains that it times, keep-alives that it needs.
function Link:advance(to_ns)
  local alive = self.keepalive
  while alive and self.alive_ns <= to_ns do
    self:take(self.twin:receive(alive.bytes, self.alive_ns))
    self.alive_ns = self.alive_ns + math.floor(alive.period * 1e9)
  end
  while self.speaks_later and self.ticks and to_ns - self.ticked_ns > STEP_NS do
    self.ticked_ns = self.ticked_ns + STEP_NS
    self:take(self.twin:tick(self.ticked_ns))
  end
  if self.ticks then
    self.ticked_ns = math.max(self.ticked_ns, to_ns)
    self:take(self.twin:tick(to_ns))
  end
end

--- From now on the keep-alives come, and trains may run.
function Link:armed()
  self.keepalive, self.alive_ns, self.ticks = self.driver.keepalive, self.now_ns, true
end

function Link:sleep(seconds)
  self.now_ns = self.now_ns + math.floor(seconds * 1e9)
  self:advance(self.now_ns)
  self:deliver(self.now_ns, self.hear)
end

--- Give the replies that came until now_ns to receive(reply, at_ns).
function Link:deliver(now_ns, receive)
  local first, at, decode = self.first, self.at_ns, self.driver.decode
  while first <= self.last and at[first] <= now_ns do
    local bytes, at_ns = self.rest .. self.bytes[first], at[first]
    at[first], self.bytes[first] = nil, nil
    first = first + 1
    self.first = first
    local reply, used = decode(bytes, self.dialect)
    while reply and used < #bytes do -- several in one
      receive(reply, at_ns)
      bytes = bytes:sub(used + 1)
      reply, used = decode(bytes, self.dialect)
    end
    self.rest = reply and "" or bytes
    if reply then
      receive(reply, at_ns)
    end
  end
end

--- Nothing is on its way from the twin.
function Link:is_quiet()
  return self.first > self.last and self.rest == ""
end

function Link:write(bytes)
  self.now_ns = self.now_ns + core.wire_ns(self.driver.serial, #bytes)
  self:take(self.twin:receive(bytes, self.now_ns))
end

function Link:transact(bytes, want, timeout, tries, remedy)
  local match = type(want) == "function" and want
    or function(reply) return reply.name == want end
  for _ = 1, tries or 1 do
    self:write(bytes)
    local found
    local until_ns = self.now_ns + math.floor(timeout * 1e9)
    self:advance(until_ns)
    while not found and self.first <= self.last and self.at_ns[self.first] <= until_ns do
      self.now_ns = math.max(self.now_ns, self.at_ns[self.first])
      self:deliver(self.now_ns, function(reply, at_ns)
        self.hear(reply, at_ns)
        if not found and match(reply) then
          found = reply
        end
      end)
    end
    if found then
      return found
    end
    self.now_ns = until_ns
  end
  self:fault("%s", remedy or "no answer")
end

local function new_link(driver, twin, wrong)
  local model = assert(devices.twin(driver))
  local settings = devices.twin_settings(driver, model)
  twin = twin or model.new(settings)
  if wrong then
    twin = faults.between(wrong, twin, model.new(settings))
  end
  return setmetatable({
    driver = driver, twin = twin,
    speaks_later = model.speaks_later == true, now_ns = 0, ticked_ns = 0, first = 1,
    last = 0, at_ns = {}, bytes = {},
    rest = "", dialect = {}, options = driver.settings or {},
  }, Link)
end

--- Play job.lowering against the link's twin; returns the reason it stopped, and the fault.
local function play(job, link, record, pace, listening)
  assert(job.lowering:cleared(), "the plan was not checked against the safety limits: nothing is sent")
  local driver, twin, frames = job.driver, link.twin, job.lowering:frames()
  ignored.remember(record, frames)
  local start_ns = link.now_ns + 1000000000 + math.floor(job.lowering:lead() * 1e9)
  record.start_ns = start_ns
  local latency_ns = math.floor(driver.latency * 1e9)
  local patience_ns = math.floor(driver.reply_timeout * 1e9)
  local fault
  listening:armed(job.first, job.limits, job.firsts)
  local function receive(reply, at_ns)
    listening:hear(reply, at_ns, true)
    fault = listening.fault
  end
  local bytes, wire, apart = {}, {}, {}
  for i, frame in ipairs(frames) do
    bytes[i], wire[i] = frame.bytes, frame.wire_ns
    apart[i] = (frame.width_ns or frame.on_trigger) and frame or nil
  end
  local plain = next(apart) == nil -- else two-part pulses, which the engine does not play here
  local stretch = link.hurry and plain and require("moonpulse.run.steady").new(job, link, record, start_ns)
  local source, passed = stretch and stretch.player or job.lowering, 0
  for kind, number, onset_ns, send_ns, action, frame in source.next, source do
    if pace(send_ns, passed + 1) then
      return job.stop_reason
    end
    passed = 0
    record:advance(send_ns)
    local now_ns = start_ns + send_ns
    if link.second then
      virtual_trigger.second(link, now_ns)
    end
    if link.ticks then
      link:advance(now_ns)
      record:settle(now_ns)
    end
    link:deliver(now_ns, receive)
    link.now_ns = math.max(link.now_ns, now_ns)
    local pulse, at_ns = record:oldest_open()
    if pulse and now_ns - at_ns > patience_ns then
      fault = fault or ("pulse %d was not confirmed within %g s"):format(pulse,
        driver.reply_timeout)
    end
    fault = fault or listening:contradicted(now_ns, patience_ns)
    local settled = kind == "ask" or kind == "set" and not driver.encode.ask or not driver.tells
      or listening:settled()
    if stretch and kind == "pulse" and not fault and settled then
      passed = stretch:play(frame, listening)
    end
    if fault then
      return "device", fault
    elseif not settled then
      if kind == "pulse" then
        record:skipped(number, onset_ns, 0, action, "setting")
      else
        record:event("set_intensity", send_ns, nil, "setting", nil, action)
      end
      return "setting", ("pulse %d was held back: %s"):format(
        kind == "pulse" and record.last_number or number, listening:unsettled())
    elseif passed > 0 then
      now_ns = link.now_ns
    elseif kind == "mark" then -- nothing is sent
      record:event("mark", onset_ns, nil, "passed", action)
    else
      now_ns = now_ns + wire[frame]
      if kind == "pulse" then
        listening:gave(job.actions[action])
        record:pulse(number, onset_ns, now_ns + latency_ns - start_ns, 0, action, now_ns)
      elseif kind == "ask" then
        listening:ask(start_ns + send_ns, true)
      else
        listening:tell(job.actions[action], start_ns + send_ns, true)
        record:event("set_intensity", now_ns - start_ns, now_ns - start_ns, "sent", nil, action)
      end
      if apart[frame] then
        virtual_trigger.first(link, apart[frame], now_ns)
      else
        link:take(twin:receive(bytes[frame], now_ns))
      end
    end
    link.now_ns = now_ns
  end
  while link.now_ns < (record.train_end_ns or 0) and not fault do -- the last train still runs
    if pace(link.now_ns - start_ns) then
      return job.stop_reason
    end
    link.now_ns = link.now_ns + 100000000
    link:advance(link.now_ns)
    record:settle(link.now_ns)
    link:deliver(link.now_ns, receive)
  end
  link.now_ns = link.now_ns + patience_ns
  virtual_trigger.second(link, link.now_ns)
  link:advance(link.now_ns)
  record:settle(link.now_ns)
  link:deliver(link.now_ns, receive)
  if not fault and record:oldest_open() then
    fault = ("pulse %d was not confirmed"):format((record:oldest_open()))
  end
  return fault and "device" or "finished", fault
end

--- Wait so that the plan's clock runs speed times as fast as ours; "max" never waits.
local function pacer(job, speed, hooks)
  local begun_ns, looked = core.clock_ns(), 0
  return function(send_ns, passed)
    looked = looked + (passed or 1)
    while not job.stop_reason do
      local left = speed == "max" and 0 or send_ns / 1e9 / speed - (core.clock_ns() - begun_ns) / 1e9
      if left <= 0 and looked < 4096 then
        break
      end
      looked = 0
      hooks.progress(send_ns / 1e9)
      core.wait(math.max(0, math.min(left, 0.1))) -- Ctrl-C is heard, also where it never waits
    end
    return job.stop_reason
  end
end

--- twin.tsv of the run; closed, with its last lines, whatever happens.
local function open_log(record)
  local path = record.folder .. "/twin.tsv"
  local file, message = core.create_file(path)
  if not file then
    refusals.fault("cannot write " .. message)
  end
  file:setvbuf("full", 65536)
  file:write(witness.header)
  return file, path
end

local function close_log(file, path)
  local ok, message = file:close()
  if not ok then
    refusals.fault(("cannot write %s: %s"):format(path, message))
  end
end

--- Raise what the device did before it was armed: a pulse that nobody asked for.
local function check_unasked(link, listening)
  if listening.fault then
    link:fault("%s", listening.fault)
  end
end

--- Run job without a port.
---@param job table as for moonpulse.run.play; job.twin: another far side than a new twin;
---   job.faults: of its settings
---@param record table
---@param speed number|"max"
---@param hooks table as for moonpulse.run.play
---@return table outcome
function M.run(job, record, speed, hooks)
  local driver = job.driver
  local log <close>, log_path = open_log(record) -- luacheck: ignore 231
  local link = new_link(driver, job.twin, job.faults)
  link.log = log
  link.ticks = true -- some say unasked who they are
  local listening = listenings.new(driver, record)
  -- while it is not armed for good only pulses count: nobody asked for one
  link.hear = function(reply, at_ns) listening:hear(reply, at_ns, false) end
  local identity = driver.connect(link)
  check_unasked(link, listening)
  hooks.connected(identity, "virtual")
  local admitted = admission.admit {
    plan = job.plan, seed = job.seed, driver = driver, identity = identity,
    thresholds = job.thresholds, timing = job.timing, policy = job.policy,
  }
  job.lowering, job.actions, job.first = admitted.lowering, admitted.actions, admitted.first
  job.firsts, job.limits, job.safety = admitted.firsts, driver.limits(identity), admitted.report
  record:set_actions(job.actions, driver)
  link:armed()
  driver.arm(link, job.first, job.actions, admitted.firsts)
  link.ticks = driver.keepalive ~= nil or link.speaks_later
  for _, action in ipairs(job.actions) do
    link.ticks = link.ticks or action.train ~= nil
  end
  hooks.armed(speed == "max" and "virtual time: nothing waits, nothing is sent to a port"
    or ("virtual time at %g times real time: nothing is sent to a port"):format(speed))
  link.hurry = speed == "max"
  local pause = collectgarbage("setpause", 1000) -- the rows are short-lived, and soon over
  local begun_ns, first_ns = core.clock_ns(), link.now_ns
  local stop, fault = "device", listening.fault
  if not fault then
    stop, fault = play(job, link, record, pacer(job, speed, hooks), listening)
  end
  local took_s = (core.clock_ns() - begun_ns) / 1e9
  collectgarbage("setpause", pause)
  link.keepalive, link.ticks = nil, true
  record:halt(link.now_ns)
  listening:safe(link.now_ns, 1)
  link:write(driver.safe)
  link:deliver(math.maxinteger, link.hear) -- what is on its way, before it is asked
  local ok, problem = pcall(driver.disarm, link)
  fault = fault or listening.fault or ok and type(problem) == "string" and problem or nil
  record:stopped(ok)
  close_log(log, log_path)
  return { stop = stop, fault = fault, disarmed = ok, safe_sent = true, took_s = took_s,
    virtual_s = (link.now_ns - first_ns) / 1e9,
    not_disarmed = not ok and tostring(problem) or nil }
end

return M
