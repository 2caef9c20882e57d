-- PAS-25 with MEPs before and after: a nerve stimulator and a TMS coil, each driven by an output of one
-- Pulse Pal (or StimJim), so that their interval is kept by one clock. Their intensities are set at the
-- stimulators themselves.
--
--   moonpulse run pas_meps --device sim:pulsepal --device-option channels=nerve=1,tms=2 \
--     -p nerve=20%MSO -p tms=60%MSO
local mp = require "moonpulse"

--- How large a is of b, in words: where there was no MEP at all, of nothing.
local function percent(a, b)
  return b > 0 and ("%.0f %%"):format(100 * a / b) or "n/a"
end

return mp.experiment {
  name = "PAS-25 with MEPs before and after",
  aim = "to raise the excitability of the motor cortex: the nerve's volley arrives with the pulse",
  cite = "Stefan K, Kunesch E, Cohen LG, Benecke R, Classen J. 2000 Brain 123:572-584",
  doi = "10.1093/brain/123.3.572",
  nerve = { "nerve" },
  params = {
    tms = { default = mp.mso(1), min = 1, max = 100, needed = true, help = "SI1mV: of a 1 mV MEP, in %MSO" },
    nerve = { default = mp.mso(1), min = 1, max = 100, needed = true,
      help = "300 % of the perceptual threshold, in percent of the nerve stimulator's maximum" },
    pairs = { default = 90, min = 1, max = 300, help = "number of pairs" },
    isi = { default = 25.0, min = 1, max = 100, help = "ms from the nerve's pulse to the TMS pulse" },
    every = { default = 20.0, min = 4.5, max = 60, help = "s from pair to pair" },
    meps = { default = 20, min = 1, max = 60, help = "single pulses before, and after" },
    points = { default = 2, min = 1, max = 12,
      help = "blocks of single pulses after it; the first at its end" },
    wait = { default = 10.0, min = 1, max = 60, help = "minutes from block to block, from the end of PAS" },
  },
  run = function(run)
    local stim, p, means = run:device(), run.params, {}
    local test = mp.pulse(p.tms):at "tms"
    local pair = mp.together {
      nerve = mp.pulse(p.nerve),
      tms = mp.rest(mp.ms(p.isi)) .. mp.pulse(p.tms),
    }

    --- Single pulses 5 to 7 s apart, the size of each MEP asked for.
    local function block(name)
      local sum = 0
      for i = 1, p.meps do
        stim:fire(test:label(name))
        local given = run:now()
        sum = sum + tonumber(run:ask(("%s, %d of %d: MEP in uV? [number 0 to 50000]"):format(name, i,
          p.meps)))
        run:sleep(math.max(0, given + run:uniform(5, 7) - run:now()))
      end
      means[#means + 1] = { name = name, mep = sum / p.meps }
    end

    stim:arm(pair) -- both outputs, before anything is given
    block "before"
    stim:play(pair:label "PAS":times(p.pairs, { every = p.every }))
    local ended = run:now()
    for point = 0, p.points - 1 do
      run:sleep(math.max(0, ended + 60 * point * p.wait - run:now()))
      block(("after %g min"):format(point * p.wait))
    end
    stim:disarm()

    for _, of in ipairs(means) do
      run:note(("%s: mean MEP %.0f uV, %s of before"):format(of.name, of.mep,
        percent(of.mep, means[1].mep)))
    end
  end,
}
