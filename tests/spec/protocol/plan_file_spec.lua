--- Plan files: the same bytes again, the same pulses, and no changed file runs.
local catalogue = require "moonpulse.protocol.catalogue"
local core = require "moonpulse.core"
local mp = require "moonpulse"
local plan_file = require "moonpulse.protocol.plan_file"
local protocols = require "moonpulse.protocol"
local shell = require "shell"

local function events_of(plan, seed)
  local list, schedule = {}, core.schedule(plan, seed)
  local actions = schedule:actions()
  for kind, _, number, what, ns in schedule.next, schedule do
    local action = kind == "pulse" and actions[what]
    list[#list + 1] = ("%s %d %d %s"):format(kind, number, ns,
      action and ("%s %.9g %s"):format(action.channel, action.intensity, action.reference) or what)
  end
  return list
end

local function again(plan, seed)
  local name, note = "a \"name\" \\ with signs", "a \"note\" \\ with\nlines"
  local text = plan_file.write(plan, { id = "x", name = name, note = note, seed = seed or 7 })
  local read = assert(plan_file.read(text, "x.plan"))
  assert.are.same({ name, note }, { read.name, read.note })
  assert.are.equal(text, plan_file.write(read.plan, { id = read.id, name = read.name, note = read.note,
    seed = read.seed }))
  assert.are.same(events_of(plan, seed or 7), events_of(read.plan, read.seed))
  return text
end

describe("a plan file", function()
  it("holds every shipped protocol: same bytes, same pulses", function()
    for _, protocol in ipairs(catalogue.all()) do
      again(assert(protocols.build(protocol, protocols.values(protocol, {}))), 3)
    end
  end)

  it("holds every kind of node", function()
    local plan = mp.together {
      left = mp.mark "a \"mark\" from \"here\" as \"there\"" .. mp.train { pulses = 3, hz = "1/3",
        intensity = mp.mso(33.3) } * 5,
      right = (mp.rest { min = 1, max = 2.5 } .. mp.pulse(mp.rmt(110)):at("own\\x41") .. mp.pulse(mp.rmt(90)))
        :times(4, { gap = 0.5 }),
    }
    again(plan)
  end)

  it("keeps what is repeated folded, and equal parts once", function()
    local part = mp.pulse(mp.rmt(100)) .. mp.rest(mp.ms(1))
    for _ = 1, 40 do -- 2^40 pulses
      part = part * 2
    end
    local text = plan_file.write(part, { seed = 1 })
    assert.is_true(#text < 6000)
    assert.are.equal(1 << 40, plan_file.read(text, "x").plan:totals().pulses)
    local whole = mp.rest(1)
    for _ = 1, 500 do
      whole = whole .. mp.pulse(mp.rmt(100))
    end
    assert.matches("sequence 1 2*500", again(whole), 1, true)
  end)

  it("is refused when one byte of it was changed, cut or added", function()
    local text = again(mp.train { pulses = 5, hz = 10, intensity = mp.rmt(100) })
    for place = 1, #text do
      local byte = text:byte(place)
      local other = text:sub(1, place - 1) .. string.char(byte ~ 1) .. text:sub(place + 1)
      local read, message = plan_file.read(other, "x.plan")
      assert.is_nil(read, "byte " .. place)
      assert.matches("moonpulse compile", message, 1, true)
      assert.is_nil((plan_file.read(text:sub(1, place - 1), "x.plan")))
    end
    assert.is_nil((plan_file.read(text .. "\n", "x.plan")))
  end)

  it("is refused with its line where it is signed but makes no sense", function()
    local function signed(body)
      return body .. "sha256 " .. plan_file.sha256(body) .. "\n"
    end
    local head = "moonpulse-plan 1\nseed 1\npulses 1\n"
    for body, text in pairs {
      [head .. "node 1 pulse 80 XYZ\nroot 1\n"] = "x.plan:4:",
      [head .. "node 1 repeat 2 3 every 1/1\nroot 1\n"] = "x.plan:4: node 2 is used before it is written",
      [head .. "node 1 pulse 80 AMT\nnode 2 repeat 1 3 every 1/1\nroot 2\n"] = "the plan has 3 pulses, not 1",
      [head .. "wait 5\n"] = "x.plan:4: this line is of no known kind",
      [head .. "plan \"x\"\n"] = "x.plan:4: this line is of no known kind",
      [head .. "node 1 pulse 200 MSO\nroot 1\n"] = "x.plan:4: intensity 200 %MSO is outside 0 to 100 %MSO",
      [head .. "node 1 pulse 5 MSO\nnode 2 sequence 1*1000000000000000000\nroot 2\n"] =
        "x.plan:5: more than 1000000 parts in a row",
      [head .. "node 1 pulse 0x5 MSO\nroot 1\n"] = "x.plan:4: not written as moonpulse compile writes it: "
        .. "node 1 pulse 5 MSO",
      [head .. "node 1 pulse 5 MSO\nnode 2 rest 1/1\nroot 1\n"] = "x.plan:5: not written as",
      [head] = "there is no root",
    } do
      local read, message = plan_file.read(signed(body), "x.plan")
      assert.is_nil(read)
      assert.matches(text, message, 1, true)
    end
  end)
end)

describe("moonpulse compile", function()
  it("keeps what is unconfirmed, and takes nothing that the source leaves open", function()
    local folder = shell.folder()
    local function moonpulse(text)
      return shell.moonpulse(folder, (text:gsub("@", folder)))
    end
    assert.are.equal(0, (moonpulse "compile hf10_loo2007 -o @/u.plan"))
    local status, _, err = moonpulse "run @/u.plan --rmt 40 --speed max --out @/runs"
    assert.are.equal(2, status)
    assert.matches("hf10_loo2007 is unconfirmed: the train", err, 1, true)
    assert.are.equal(0, (moonpulse "run @/u.plan --rmt 40 --speed max --unconfirmed --out @/runs"))
    status, _, err = moonpulse "compile pas25 -o @/p.plan"
    assert.are.equal(2, status)
    assert.matches("give yours with -p nerve=VALUE", err, 1, true)
    assert.are.equal(0, (moonpulse "compile pas25 -p nerve=20%MSO -o @/p.plan"))
    shell.remove(folder)
  end)

  it("writes what run takes, with its seed; a changed file does not run", function()
    local folder = shell.folder()
    local function moonpulse(text)
      return shell.moonpulse(folder, (text:gsub("@", folder)))
    end
    assert.are.equal(0, (moonpulse "compile tmseeg_sp -p pulses=5 --seed 42 -o @/a.plan"))
    assert.are.equal(0, (moonpulse "compile @/a.plan -o @/b.plan"))
    assert.are.equal(shell.read(folder .. "/a.plan"), shell.read(folder .. "/b.plan"))
    local _, from_file = moonpulse "events @/a.plan"
    local _, from_protocol = moonpulse "events tmseeg_sp -p pulses=5 --seed 42"
    assert.are.equal(from_protocol, from_file)
    local status, out = moonpulse "run @/a.plan --rmt 50 --speed max --out @/runs"
    assert.are.equal(0, status)
    assert.matches("5 of 5 pulses", out, 1, true)
    local _, _, err = moonpulse "run @/a.plan --rmt 50 --seed 43 --speed max --out @/runs"
    assert.matches("the plan file fixes the seed 42", err, 1, true)
    shell.write(folder .. "/a.plan", (shell.read(folder .. "/a.plan"):gsub("120 RMT", "121 RMT")))
    status, _, err = moonpulse "run @/a.plan --rmt 50 --speed max --out @/runs"
    assert.are.equal(2, status)
    assert.matches("was changed after it was compiled", err, 1, true)
    shell.remove(folder)
  end)
end)
