-- iTBS with MEPs before and after: what the stimulation changed, and for how long.
--
--   moonpulse run itbs_meps --rmt 48 --amt 40 -p test=56%MSO
--   moonpulse run itbs_meps --rmt 48 --amt 40 -p points=2 -p every=10
--
-- A block of single pulses before, one right after, then one every `every` minutes, counted from the end of
-- iTBS.
local mp = require "moonpulse"

--- How large a is of b, in words: where there was no MEP at all, of nothing.
local function percent(a, b)
  return b > 0 and ("%.0f %%"):format(100 * a / b) or "n/a"
end

return mp.experiment {
  name = "iTBS with MEPs before and after",
  aim = "to see what iTBS does to the excitability of the motor cortex, and how long",
  cite = "Huang YZ, Edwards MJ, Rounis E, Bhatia KP, Rothwell JC. 2005 Neuron 45:201-206",
  doi = "10.1016/j.neuron.2004.12.033",
  params = {
    meps = { default = 10, min = 1, max = 60, help = "single pulses of a block" },
    points = { default = 4, min = 1, max = 12, help = "blocks after iTBS; the first at its end" },
    every = { default = 5.0, min = 1, max = 60, help = "minutes from block to block, from the end of iTBS" },
    test = { default = mp.rmt(120), min = 1, max = 150, help = "single pulses: SI1mV, about 120 %RMT" },
    intensity = { default = mp.amt(80), min = 1, max = 130, help = "of iTBS" },
    shortest = { default = 5.0, min = 4.5, max = 60, help = "shortest interval of single pulses, s" },
    longest = { default = 7.0, min = 4.5, max = 60, help = "longest, s" },
  },
  run = function(run)
    local stim, p, means = run:device(), run.params, {}

    --- Single pulses, the size of each MEP asked for; the mean.
    local function block(name)
      local sum = 0
      run:mark(name)
      for i = 1, p.meps do
        stim:fire(mp.pulse(p.test):label(name))
        local shown = run:now()
        sum = sum + tonumber(run:ask(("%s, %d of %d: MEP in uV? [number 0 to 50000]"):format(name, i,
          p.meps)))
        run:sleep(math.max(0, run:uniform(p.shortest, p.longest) - (run:now() - shown)))
      end
      means[#means + 1] = { name = name, mep = sum / p.meps }
    end

    stim:arm()
    block "before"
    local train = mp.train { of = mp.burst { pulses = 3, hz = 50, intensity = p.intensity }, hz = 5,
      duration = 2 }
    stim:play(train:times(20, { every = 10 }):label "iTBS")
    local ended = run:now()
    for point = 0, p.points - 1 do
      local minutes = point * p.every
      run:sleep(math.max(0, ended + 60 * minutes - run:now()))
      block(("after %g min"):format(minutes))
    end
    stim:disarm()

    for _, block_of in ipairs(means) do
      run:note(("%s: mean MEP %.0f uV, %s of before"):format(block_of.name, block_of.mep,
        percent(block_of.mep, means[1].mep)))
    end
  end,
}
