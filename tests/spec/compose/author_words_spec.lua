-- What an author is told who wrote something that looks right and is not: his line, and how it is written.
local author = require "author"
local shell = require "shell"

describe("an author", function()
  local folder

  setup(function() folder = shell.folder() end)
  teardown(function() shell.remove(folder) end)

  local head = 'local mp = require "moonpulse"\n'

  local function moonpulse(arguments, code, other_head)
    return author.moonpulse(folder, arguments, (other_head or head) .. code)
  end

  local function refuses(arguments, code, ...)
    return author.refuses(folder, arguments, head .. code, ...)
  end

  local every_command = { "show", "events", "check", "run --speed max" }

  it("of a percentage that is a fraction is asked whether percent are meant", function()
    local one = "return mp.pulse(mp.%s(%s))"
    for _, command in ipairs(every_command) do
      for _, case in ipairs {
        { "rmt", "1.1", "made.lua:2: rmt: 1.1 is 1.1 %RMT, below 3 %: percent are meant: 110?\n" },
        { "amt", "0.8", "made.lua:2: amt: 0.8 is 0.8 %AMT, below 3 %: percent are meant: 80?\n" },
        { "mso", "2.5", "made.lua:2: mso: 2.5 is 2.5 %MSO, below 3 %: percent are meant?\n" }, -- 250 is none
      } do
        local _, _, err = moonpulse(command .. " made.lua --rmt 50 --amt 40", one:format(case[1], case[2]))
        assert.matches("moonpulse: note: " .. case[3], err, 1, true)
      end
      for _, sound in ipairs { "rmt(3)", "rmt(0)", "rmt(110)", "mso(1)", "mso(2.0)" } do
        local _, _, err = moonpulse(command .. " made.lua --rmt 50 --amt 40",
          ("return mp.pulse(mp.%s)"):format(sound))
        assert.is_nil(err:find("percent are meant", 1, true), err)
      end
    end
    local _, _, err = moonpulse("show made.lua -p dose=1.1%RMT", [[return mp.protocol { name = "x",
      params = { dose = { default = mp.rmt(110) } }, plan = function(p) return mp.pulse(p.dose) end }]])
    assert.matches("percent are meant: 110?", err, 1, true)
    assert.are.equal(1, select(2, err:gsub("percent are meant", "")))
  end)

  it("of a percentage in quotes is told to leave them out", function()
    for _, name in ipairs { "mso", "rmt", "amt" } do
      refuses("show made.lua", ('return mp.pulse(mp.%s("90"))'):format(name),
        ('made.lua:2: %s: a percentage expected, not the text "90": write the number without quotes, '
          .. "mp.%s(90)"):format(name, name))
      refuses("show made.lua", ('return mp.pulse(mp.%s("high"))'):format(name), 'not "high"')
    end
  end)

  it("of drawn trials reads his own words and numbers", function()
    for _, trial in ipairs { "mp.pulse(mp.mso(50))",
      "mp.pair { isi = 0.01, intensity = mp.mso(50) }" } do
      for _, list in ipairs { "{ %s, %s }", "{ %s, mp.pulse(mp.mso(40)) .. %s }" } do
        local made = "return mp.trials { of = %s, shortest = 6, longest = 4 }"
        local err = refuses("show made.lua", made:format(list:format(trial, trial)),
          "made.lua:2: trials: shortest = 6 is above longest = 4")
        assert.is_nil(err:find("rest", 1, true), err)
      end
    end
    assert.are.equal(0, (moonpulse("show made.lua",
      'return mp.trials { of = { mp.pulse(mp.mso(50)) }, shortest = "1/3", longest = "1/3" }')))
  end)

  it("of a theta burst that does not fit reads his own words", function()
    local err = refuses("show made.lua", [[return mp.theta_burst { pulses = 3, hz = 50, theta_hz = 5,
      on = 2.1, intensity = mp.mso(50) }]], "made.lua:2: theta_burst: on = 2.1 s holds 10.5 periods")
    assert.is_nil(err:find("duration", 1, true), err)
    assert.is_nil(err:find("count", 1, true), err)
    refuses("show made.lua", [[return mp.theta_burst { pulses = 3, hz = 50, theta_hz = -5, on = 2,
      intensity = mp.mso(50) }]], "theta_burst: theta_hz = -5 must be above 0")
  end)

  it("of a number behind :times(n) reads both ways to write it", function()
    local made = "return mp.pulse(mp.mso(50)):times(20, %s)"
    local err = refuses("show made.lua", made:format("5"), "made.lua:2: times:", ":times(20, { every = 5 })",
      ":times(20, { gap = 5 })")
    for spacing in err:gmatch("times%(20, ({[^}]*})") do
      assert.are.equal(0, (moonpulse("show made.lua", made:format(spacing))))
    end
  end)

  it("of a parameter's bare value reads it as it is written", function()
    local made = [[return mp.protocol { name = "x", params = { n = %s },
      plan = function() return mp.pulse(mp.mso(50)) end }]]
    for _, value in ipairs { "5", "2.5", '"text"', "true", "mp.rmt(110)" } do
      local err = refuses("show made.lua", made:format(value), "made.lua:2: parameter n: ",
        ("params = { n = { default = %s } }"):format(value))
      assert.are.equal(0, (moonpulse("show made.lua", made:format(err:match("n = ({ default = .- }) }")))))
    end
  end)

  it("without the library's line is told that line", function()
    for _, code in ipairs { "return mp.pulse(mp.mso(50))", "return moonpulse.pulse(5)",
      "return mp.experiment(function() end)" } do
      for _, command in ipairs { "show", "run" } do
        local _, _, err = moonpulse(command .. " made.lua", code, "-- no first line\n")
        assert.matches('made.lua:2: %a+ is not known: the file begins with: local mp = require "moonpulse"',
          err)
      end
    end
  end)

  it("who returns a list of plans is told what makes one of it", function()
    local list = "mp.shuffle { mp.pulse(mp.mso(50)), mp.pulse(mp.mso(40)) }"
    refuses("show made.lua",
      ('return mp.protocol { name = "x",\n  plan = function() return %s end }'):format(list),
      "made.lua:3: plan must return a plan, not a list of plans: mp.trials { of = list, every = seconds }")
    refuses("show made.lua", "return { mp.pulse(mp.mso(50)) }", "not a list of plans: mp.trials {")
    refuses("show made.lua", 'return mp.protocol { name = "x", plan = function() mp.rest(1) end }',
      "made.lua:2: plan must return a plan, not nil (is its last line")
    refuses("show made.lua", "mp.rest(1)", 'not nil (is its last line "return ...')
  end)

  it("who shuffles in an experiment is told run:shuffle", function()
    refuses("run made.lua", "return mp.experiment(function()\n  mp.shuffle { 1, 2 }\nend)",
      "made.lua:3: shuffle:", "in an experiment write run:shuffle(list)")
  end)

  it("who writes a dot for a colon reads the colon, at his line, for every method", function()
    for _, case in ipairs {
      { "run", "run", { "now", "device", "sleep", "uniform", "integer", "shuffle", "ask", "wait_trigger",
        "mark", "note", "staircase", "threshold", "spawn", "stop" } },
      { "stim", "run:device()",
        { "arm", "disarm", "play", "fire", "status", "limits", "identity", "armed" } },
    } do
      local body = {}
      for _, method in ipairs(case[3]) do
        for _, argument in ipairs { "", "3", '"a"', "{}" } do
          local code = ([[
            local object = %s
            local ok, problem = pcall(function()
              object.%s(%s)
            end)
            print(ok, problem)]]):format(case[2], method, argument)
          body[#body + 1] = code .. "\n"
        end
      end
      local status, out, err = moonpulse("run made.lua",
        "return mp.experiment(function(run)\n" .. table.concat(body) .. "end)")
      assert.are.equal(0, status, err)
      local told = 0
      local words = "false\tmade.lua:(%d+): (%S+): write (%a+):([%a_]+)%(...%)"
      for line, dot, object, method in out:gmatch(words) do
        assert.are.equal(("%s.%s"):format(object, method), dot)
        assert.are.equal(case[1], object)
        assert.are.equal(case[3][told // 4 + 1], method)
        told = told + 1
        assert.are.equal(5 * told, tonumber(line)) -- the third of its five lines, from line 3 on
      end
      assert.are.equal(4 * #case[3], told, out)
    end
  end)

  it("who writes them with a colon is not told anything", function()
    local status, _, err = moonpulse("run made.lua --speed max", [[return mp.experiment(function(run)
      local stim = run:device()
      stim:arm(mp.pulse(mp.mso(40)))
      assert(stim:armed() and stim:identity() and stim:limits() and stim:status())
      for trial, intensity in run:staircase { start = 45, step = 2, trials = 2 } do
        run:sleep(0.01)
        stim:fire(mp.pulse(mp.mso(intensity)))
        local ok, problem = pcall(trial.answer, "y")
        assert(not ok and problem:find("write trial:answer(...)", 1, true), problem)
        trial:answer(true)
      end
      stim:disarm()
    end)]])
    assert.are.equal(0, status, err)
  end)
end)
