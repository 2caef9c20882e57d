-- One session of a treatment by iTBS: up to the dose in steps, each of which the patient has to tolerate,
-- then the session at the dose. What the patient says is in the record.
--
--   moonpulse run treatment_session --rmt 48 --participant P07
--   moonpulse run treatment_session --rmt 48 --participant P07 -p from=70 -p trains=20
--
-- The question after some trains makes that one pause longer than 8 s, by as long as the answer takes. 120
-- %RMT is beyond what the safety tables have: the preflight says so.
local mp = require "moonpulse"

return mp.experiment {
  name = "Treatment session: iTBS with a ramp",
  aim = "to treat depression; a first session goes up to its dose in steps",
  cite = "Blumberger DM et al. 2018 Lancet 391:1683-1692 (the dose; the ramp is ours)",
  doi = "10.1016/S0140-6736(18)30295-2",
  params = {
    from = { default = 80, min = 20, max = 120, help = "%RMT of the first step" },
    dose = { default = 120, min = 20, max = 120, help = "%RMT of the treatment" },
    step = { default = 10, min = 1, max = 50, help = "%RMT from step to step" },
    trains = { default = 20, min = 1, max = 60, help = "2 s trains at the dose, one every 10 s" },
    asks = { default = 5, min = 1, max = 60, help = "asks after so many trains" },
  },
  run = function(run)
    local stim, p = run:device(), run.params
    local function trains(count, percent)
      local burst = mp.burst { pulses = 3, hz = 50, intensity = mp.rmt(percent) }
      return mp.train { of = burst, hz = 5, duration = 2 }:times(count, { every = 10 })
    end
    local function tolerated(what)
      return run:ask(("%s tolerated? [y/n]"):format(what)):lower():sub(1, 1) == "y"
    end

    stim:arm(trains(1, p.dose)) -- a dose that cannot be given is refused here, before the first pulse
    for percent = p.from, p.dose - 1, p.step do
      stim:play(trains(1, percent):label(("ramp %d %%RMT"):format(percent)))
      if not tolerated(("%d %%RMT"):format(percent)) then
        run:note(("ended at %d %%RMT, below the dose"):format(percent))
        return stim:disarm()
      end
      run:sleep(8) -- from the end of a train to the next one, as in the session
    end

    local given = 0
    while given < p.trains do
      local count = math.min(p.asks, p.trains - given)
      stim:play(trains(count, p.dose):label "dose")
      given = given + count
      if given < p.trains then
        if not tolerated(("%d of %d trains"):format(given, p.trains)) then break end
        run:sleep(8)
      end
    end
    run:note(("%d of %d trains at %d %%RMT"):format(given, p.trains, p.dose))
    stim:disarm()
  end,
}
