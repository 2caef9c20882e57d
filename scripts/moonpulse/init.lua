--- Moonpulse: compose brain-stimulation protocols. local mp = require "moonpulse"
local blame = require "moonpulse.text.author_line"
local compose = require "moonpulse.compose"
local core = require "moonpulse.core"
local experiments = require "moonpulse.experiment"
local in_order = require "moonpulse.text.in_order"
local intensities = require "moonpulse.compose.intensity"
local order = require "moonpulse.compose.order"
local protocols = require "moonpulse.protocol"
local sandbox = require "moonpulse.protocol.sandbox"
local surplus = require "moonpulse.text.surplus"

--- A function as authors call it: it refuses arguments that it would drop, and is called through C, so that
--- errors can name the author's line also in "return mp.burst { ... }".
---@generic F: function
---@param name string
---@param call F
---@param instead string? what is written where more was meant
---@return F
local function public(name, call, instead)
  return core.framed(surplus.refused("mp." .. name, call, instead))
end

local function sham(spec)
  return require "moonpulse.protocol.sham".plan(spec) -- here, for few plans have one
end

local function from_table(name, options)
  return require "moonpulse.protocol.from_table".plan(name, options) -- here, for few plans are one
end

--- A function, of one argument, of a module that few plans need.
local function late(module, name)
  return function(value)
    return require(module)[name](value)
  end
end

local named = "each part of it has its name, in one table: mp.%s { ... }"

local mp = {
  version = core.version,
  pulse = public("pulse", compose.pulse),
  pair = public("pair", compose.pair, named:format "pair"),
  burst = public("burst", compose.burst, named:format "burst"),
  train = public("train", compose.train, named:format "train"),
  theta_burst = public("theta_burst", compose.theta_burst, named:format "theta_burst"),
  rest = public("rest", compose.rest, "a time that is drawn from the seed is mp.rest { min = 4, max = 6 }"),
  mark = public("mark", compose.mark),
  together = public("together", compose.together, "plans side by side are one table: mp.together "
    .. "{ left = a, right = b }"),
  shuffle = public("shuffle", order.shuffle, order.one_list),
  counts = public("counts", order.counts, "values with their numbers are one list: mp.counts "
    .. "{ { sici, 10 }, { icf, 10 } }"),
  normal = public("normal", late("moonpulse.compose.drawn_length", "normal"),
    "its numbers have names: mp.normal { mean = 6, sd = 1, "
    .. "min = 4, max = 8 }"),
  weighted = public("weighted", late("moonpulse.compose.drawn_length", "weighted"),
    "lengths with their weights are one list: mp.weighted "
    .. "{ { 4, 2 }, { 6, 1 } }"),
  intervals = public("intervals", late("moonpulse.compose.intervals", "written"),
    "intervals are one list: mp.intervals "
    .. "{ 4.1, 5.3, 4.7 }"),
  trials = public("trials", order.trials, "trials are one list: mp.trials { of = { a, b }, every = 5 }"),
  sham = public("sham", sham),
  from_table = public("from_table", from_table),
  protocol = public("protocol", protocols.protocol),
  experiment = public("experiment", experiments.experiment),
  course = public("course", function(spec)
    return require "moonpulse.protocol.course".course(spec) -- here, for few files are one
  end),
}

--- Percent of the stimulator's maximum output.
---@param percent number
---@return moonpulse.Intensity
mp.mso = public("mso", function(percent)
  return intensities.written(percent, "MSO")
end)

--- Percent of the participant's resting motor threshold (run with --rmt).
---@param percent number
---@return moonpulse.Intensity
mp.rmt = public("rmt", function(percent)
  return intensities.written(percent, "RMT")
end)

--- Percent of the participant's active motor threshold (run with --amt).
---@param percent number
---@return moonpulse.Intensity
mp.amt = public("amt", function(percent)
  return intensities.written(percent, "AMT")
end)

--- Milliseconds as seconds: mp.ms(20) is 0.02.
---@param value number milliseconds
---@return number seconds
mp.ms = public("ms", function(value)
  return compose.number("ms", value) / 1e3
end)

--- Microseconds as seconds.
---@param value number microseconds
---@return number seconds
mp.us = public("us", function(value)
  return compose.number("us", value) / 1e6
end)

-- what people look for under another name
local drawn = "a length that is drawn is mp.rest { min = 4, max = 6 }, between trials shortest = 4, "
  .. "longest = 6 of mp.trials, and in an experiment run:uniform(4, 6)"
local instead = { uniform = drawn, random = drawn, jitter = drawn }

--- A misspelt function is the commonest mistake: say what there is.
setmetatable(mp, {
  __index = function(_, name)
    local names = in_order.keys(mp)
    blame.fail("there is no mp.%s%s; there are: %s", tostring(name), instead[name] and ": " .. instead[name]
      or "", table.concat(names, ", "))
  end,
})

sandbox.hand_out(mp)

return mp
