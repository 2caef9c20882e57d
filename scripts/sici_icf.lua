-- SICI and ICF, measured: the test pulse alone, SICI and ICF in random order, at random intervals. The
-- operator enters each MEP; the run says at its end what each condition made of the test MEP.
--
--   moonpulse run sici_icf --device sim:bistim --rmt 48
--   moonpulse run sici_icf --device sim:bistim --rmt 48 -p ts=58%MSO -p trials=20
--
-- The two pulses differ in intensity, so it needs a stimulator that gives such pairs: a BiStim, or a
-- MagPro with the Option (--device-option model=X100+Option).
local mp = require "moonpulse"

--- How large a is of b, in words: where there was no MEP at all, of nothing.
local function percent(a, b)
  return b > 0 and ("%.0f %%"):format(100 * a / b) or "n/a"
end

return mp.experiment {
  name = "SICI and ICF, with MEPs",
  aim = "to measure intracortical inhibition and facilitation",
  cite = "Kujirai T et al. 1993 J Physiol 471:501-519",
  doi = "10.1113/jphysiol.1993.sp019912",
  params = {
    trials = { default = 10, min = 1, max = 100, help = "of each condition" },
    cs = { default = mp.rmt(80), min = 1, max = 150, help = "conditioning pulse" },
    ts = { default = mp.rmt(120), min = 1, max = 150, help = "test pulse: SI1mV, about 120 %RMT" },
    sici_isi = { default = 2.0, min = 1, max = 6, help = "ms" },
    icf_isi = { default = 12.0, min = 8, max = 20, help = "ms" },
    shortest = { default = 7.0, min = 4, max = 60, help = "shortest interval of two trials, s" },
    longest = { default = 9.0, min = 4, max = 60, help = "longest, s" },
  },
  run = function(run)
    local stim, p = run:device(), run.params
    local function pair(name, isi)
      return mp.pair { isi = mp.ms(isi), intensity = { p.cs, p.ts } }:label(name)
    end
    local trials = run:shuffle({
      { name = "TS alone", plan = mp.pulse(p.ts):label "TS alone" },
      { name = "SICI", plan = pair("SICI", p.sici_isi) },
      { name = "ICF", plan = pair("ICF", p.icf_isi) },
    }, { blocks = p.trials }) -- each once in three trials, so never three alike in a row

    local meps = { ["TS alone"] = {}, SICI = {}, ICF = {} }
    stim:arm()
    local next_at = run:now() + p.shortest
    for i, trial in ipairs(trials) do
      stim:fire(trial.plan, { at = next_at })
      next_at = next_at + run:uniform(p.shortest, p.longest)
      local mep = tonumber(run:ask(("%d of %d: MEP in uV? [number 0 to 50000]"):format(i, #trials)))
      table.insert(meps[trial.name], mep)
      -- a late answer makes the interval longer, never shorter
      next_at = math.max(next_at, run:now() + p.shortest)
    end
    stim:disarm()

    local function mean(list)
      local sum = 0
      for _, mep in ipairs(list) do sum = sum + mep end
      return sum / #list
    end
    local alone = mean(meps["TS alone"])
    run:note(("TS alone: mean MEP %.0f uV of %d trials"):format(alone, #meps["TS alone"]))
    for _, name in ipairs { "SICI", "ICF" } do
      local mep = mean(meps[name])
      run:note(("%s: mean MEP %.0f uV of %d trials, %s of the test pulse alone"):format(name, mep,
        #meps[name], percent(mep, alone)))
    end
  end,
}
