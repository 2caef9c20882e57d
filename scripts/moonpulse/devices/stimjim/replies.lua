--- What a StimJim says, line by line: its trains end when they end, so a completion may come between
--- any two lines of another answer. A completion counts once its first stage's line is there, which says what
--- was measured at the outputs: that is part of it.
local M = {}

M.replies = {
  start = { "event", "engine", "index" },
  train_complete = { "event", "pulses", "index", "output0", "output1" },
  stop = { "event", "engine" }, set_mode = { "channel", "mode" },
  set_mv = { "channel", "amplitude", "dac" }, set_dac = { "channel", "amplitude" },
  read_adc = { "raw", "value", "unit" }, trigger_map = { "input", "index" }, trigger_off = { "input" },
  trigger_output = { "input" }, boot = { "event" }, offsets = { "of", "channel0", "channel1" },
  train = { "index", "mode0", "mode1", "period_us", "duration_us", "stages" },
  measured = { "stage", "output0", "output1" }, awg = { "text" }, text = { "text" }, detail = { "text" },
  error = { "error", "text" },
}

local longest = 1000 -- without a line end: no line of a StimJim

local function int(text)
  return math.tointeger(tonumber(text))
end

--- A line that is a reply by itself: its pattern, its name, the keys of what it captures (# before a
--- whole number), and what else it says.
local lines = {
  { "^Started ([TU]) train with parameters of PulseTrain (%d+)$", "start", "engine #index",
    { event = "started" } },
  { "^Train complete%. Delivered (%-?%d+) pulses%.$", "train_complete", "#pulses", { event = "complete" } },
  { "^Forcing ([TU]) train to stop$", "stop", "engine", { event = "stopped" } },
  { "^Set channel (%-?%d+) to mode (%-?%d+)$", "set_mode", "#channel #mode" },
  { "^Set channel (%-?%d+) to amplitude (%-?%d+) mV %(dac value (%-?%d+)%)%.$", "set_mv",
    "#channel #amplitude #dac" },
  { "^Set channel (%-?%d+) to amplitude (%-?%d+)$", "set_dac", "#channel #amplitude" },
  { "^Read value: (%-?%d+) %((%-?[%d.]+)(%a+)%)$", "read_adc", "#raw value unit" },
  { "^Attaching interrupt to IN(%d) to run PulseTrain%[(%d+)%]$", "trigger_map", "#input #index" },
  { "^Detaching interrupt to IN(%d)$", "trigger_off", "#input" },
  { "^Programming IN(%d) as output", "trigger_output", "#input" },
  { "^Invalid PulseTrain .*index%.$", "error", "", { error = "bad_index" } },
  { "^(%-?%d+) is out of range%.$", "error", "", { error = "out_of_range" } },
  { "^startIT%d: failure", "error", "", { error = "no_timer" } },
  { "^Booting StimJim", "boot", "", { event = "booting" } },
  { "^Initializing ", "boot", "", { event = "inputs" } },
  { "^Ready to go!$", "boot", "", { event = "ready" } },
  { "^(.+) offsets[^:]*: (%-?[%d.]+), (%-?[%d.]+)$", "offsets", "of channel0 channel1" },
  { "^Stage (%d+)%s+(%-?%d+%aA?V?),%s+(%-?%d+%aA?V?),%s*$", "measured", "#stage output0 output1" },
  { "^Stage (%d+)[%s:]", "measured", "#stage" }, -- of a firmware that writes it otherwise
  { "^(Train #.+)$", "awg", "text" }, { "^(ERR.*)$", "awg", "text" }, { "^(WARN.*)$", "awg", "text" },
  { "^(OK.*)$", "awg", "text" },
}

--- Of a line, what of it is asked for each text: the letter that the text begins with ("": any may), and its
--- keys one by one.
local function prepared(line)
  local keys = {}
  for mark, key in line[3]:gmatch("(#?)([%w_]+)") do
    keys[#keys + 1] = { key = key, whole = mark == "#" }
  end
  return { letter = line[1]:match("^%^%(?(%a)") or "", pattern = line[1], name = line[2], keys = keys,
    also = line[4] or {} }
end

-- The lines that a text may be, in their order, by its first letter: a train's two are read a million times.
local by_letter = setmetatable({}, { __index = function(of, letter)
  local list = {}
  for _, line in ipairs(lines) do
    local found = prepared(line)
    list[#list + 1] = (found.letter == letter or found.letter == "") and found or nil
  end
  of[letter] = list
  return list
end })

local function reply_of(line, first, ...)
  if not first then
    return nil
  end
  local got, reply = { first, ... }, { name = line.name }
  for i, each in ipairs(line.keys) do
    reply[each.key] = each.whole and int(got[i]) or got[i]
  end
  for key, value in pairs(line.also) do
    reply[key] = value
  end
  return reply
end

local function simple(text)
  for _, line in ipairs(by_letter[text:match("^%a") or ""]) do
    local reply = reply_of(line, text:match(line.pattern))
    if reply then
      return reply
    end
  end
end

-- The lines of a train's parameters: gathered in dialect.train until the closing dashes.
local parts = {
  { "^Parameters for PulseTrain%[(%d+)%]$", "index" }, { "^  mode%[ch0%]: (%d)", "mode0" },
  { "^  mode%[ch1%]: (%d)", "mode1" }, { "^  period: +(%d+) usec", "period_us" },
  { "^  duration: +(%d+) usec", "duration_us" },
}

local function in_train(train, text)
  for _, part in ipairs(parts) do
    local value = text:match(part[1])
    if value then
      train[part[2]] = int(value)
      return true
    end
  end
  local us, a0, a1 = text:match("^ *%d+ +(%d+) usec +(%-?%d+)%a+ +(%-?%d+)%a+$")
  if us then
    train.stages = (train.stages and train.stages .. "/" or "") .. ("%s,%s,%s"):format(a0, a1, us)
  end
  return us ~= nil or text:find("^  stage +duration") ~= nil
end

--- A timer knows one train: what it reports is the end of the one that it started last. Of a timer that we
--- do not use nobody can say.
local function of_its_train(reply, dialect)
  if reply.name == "start" then
    dialect.started = reply.engine == "T" and reply.index or nil
  elseif reply.name == "train_complete" then
    reply.index, dialect.started = dialect.started, nil
  end
  return reply
end

--- A completion and its first stage, which come one right after the other.
local function gathered(reply, dialect)
  if dialect.whole then
    return reply
  elseif reply.name == "train_complete" then
    dialect.complete = reply
    return { name = "detail", text = "Train complete" }
  elseif reply.name == "measured" and reply.stage == 0 and dialect.complete then
    local complete = dialect.complete
    dialect.complete, complete.output0, complete.output1 = nil, reply.output0, reply.output1
    return complete
  end
  return reply
end

--- One line, without its end.
local function read(text, dialect)
  local reply = simple(text)
  if reply then
    return gathered(of_its_train(reply, dialect), dialect)
  elseif text:find("^%-%-%-%-+$") then
    local train = dialect.train
    dialect.train = not (train and train.index) and {} or nil
    if train and train.index then
      train.name, train.stages = "train", train.stages or ""
      return train
    end
    return { name = "detail", text = text }
  elseif dialect.train and in_train(dialect.train, text) then
    return { name = "detail", text = text }
  elseif text:find("[^\32-\126]") then
    return { name = "error", error = "garbled" }
  end
  local inner = text:find("^Current/Voltage") or text:find("^ +Ch0")
  return { name = inner and "detail" or "text", text = text }
end

--- The next line that is not empty, and where it ends; nil where it is not whole.
local function next_line(buffer, from, whole)
  local start = buffer:find("[^\r\n]", from)
  if not start then
    return nil, whole and #buffer or 0
  end
  local stop = buffer:find("\n", start, true)
  if not stop and not whole then
    return nil, 0
  end
  local last = (stop or #buffer + 1) - 1
  return buffer:sub(start, buffer:byte(last) == 13 and last - 1 or last), stop or #buffer
end

--- Lines that say nothing by themselves.
local function minor(reply)
  return reply.name == "detail" or reply.name == "measured"
end

--- One reply from the front of buffer; with dialect.whole a message with all its lines.
---@param buffer string
---@param dialect table? keeps the lines of a train's parameters until they are all there, and the train that
---   was started last
---@return table? reply
---@return integer used
function M.decode(buffer, dialect)
  dialect = dialect or {}
  local whole = dialect.whole
  local text, used = next_line(buffer, 1, whole)
  if not text then
    if #buffer > longest then
      return { name = "error", error = "garbled" }, #buffer
    end
    return nil, used
  end
  local reply = read(text, dialect)
  while whole and used < #buffer do
    local more, stop = next_line(buffer, used + 1, true)
    if not more then
      return reply, #buffer
    end
    local other = read(more, dialect)
    if minor(reply) then
      reply = other
    elseif not minor(other) then
      break
    end
    used = stop
  end
  return reply, used
end

return M
