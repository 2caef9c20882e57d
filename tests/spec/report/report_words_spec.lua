-- What a report says of runs that have no plan, or several channels: made by runs, as their readers get them.
local pages = require "report_page"
local shell = require "shell"

describe("the report", function()
  local folder

  before_each(function() folder = shell.folder() end)
  after_each(function() shell.remove(folder) end)

  local function report_of(...)
    return pages.report_of(folder, ...)
  end

  it("of an experiment leaves out what nobody planned, and does not call it missing", function()
    local html = report_of("--tolerance 1000", [[
      return mp.experiment(function(run)
        local stim = run:device()
        stim:arm()
        stim:fire(mp.pulse(mp.mso(40)))
        run:sleep(0.2)
        stim:fire(mp.pulse(mp.mso(40)))
      end)]])
    assert.is_nil(html:find("as planned</th>", 1, true))
    assert.is_nil(html:find("<h3>Outline</h3>", 1, true))
    assert.is_nil(html:find("Nominal end:", 1, true))
    assert.matches("there is no outline", html, 1, true)
    assert.matches("Duration: first to last pulse, as sent", html, 1, true)
  end)

  it("of a protocol has them", function()
    local html = report_of("--speed max", "return mp.pulse(mp.mso(40)):times(3, { every = 1 })")
    assert.are.equal(3, select(2, html:gsub("as planned</th>", "")))
    assert.matches("<h3>Outline</h3><pre>3 pulses every 1 s", html, 1, true)
  end)

  --- The first cells of a condition's row.
  local function condition(html, name)
    local trials, pulses, confirmed = html:match('<th scope="row">' .. name .. '</th><td class="n">(.-)</td>'
      .. '<td class="n">(.-)</td><td class="n">(.-)</td>')
    return { trials and trials:gsub("\u{A0}", " "), pulses and pulses:gsub("\u{A0}", " "), confirmed }
  end

  it("of a stopped run has every planned condition, trials and pulses", function()
    local html = report_of("--speed max --fault unplug@6", [[
      local pair = mp.pulse(mp.mso(30)) .. mp.rest(mp.ms(50)) .. mp.pulse(mp.mso(30))
      return pair:label "rest":times(24, { every = 5 }) .. mp.rest(2)
        .. pair:label "task":times(12, { every = 5 })]], 4)
    local trials, pulses = table.unpack(condition(html, "rest"))
    assert.are.same({ "3 of 24", "0 of 12" }, { trials, condition(html, "task")[1] })
    assert.matches("^[56] of 48$", pulses)
    assert.are.same({ "0 of 12", "0 of 24", "0" }, condition(html, "task"))
  end)

  it("of a device that cannot confirm says so, and of a nerve's channel no percentage of the RMT", function()
    local html = report_of("--speed max --rmt 48 --device sim:pulsepal --device-option full_scale_volts=10 "
      .. "--device-option channels=median=1,coil=2", [[
      return mp.protocol { id = "pas", name = "PAS", cite = "none", nerve = { "median" }, plan = function()
        return mp.together { median = mp.pulse(mp.mso(30)),
          coil = mp.rest(mp.ms(25)) .. mp.pulse(mp.rmt(120)) }:label "PAS":times(9, { every = 5 })
      end }]])
    assert.are.same({ "9 of 9", "18 of 18", "cannot" }, condition(html, "PAS"))
    assert.matches("this device cannot confirm pulses", html, 1, true)
    assert.matches("<td>25\u{A0}ms</td>", html)
    assert.is_nil(html:find("62.5", 1, true)) -- 30 of 48
    assert.matches(">%% of output</text>", html)
    assert.is_nil(html:find(">%%MSO</text>"))
  end)

  it("keeps channels apart, under their names, and draws a pair across them once", function()
    local html = report_of("--speed max --device sim:pulsepal --device-option full_scale_volts=10 "
      .. "--device-option channels=pmv=1,m1=2", [[
      return mp.together { pmv = mp.pulse(mp.mso(40)),
        m1 = mp.rest(mp.ms(8)) .. mp.pulse(mp.mso(55)) }:times(4, { every = 5 })]])
    local figures = {}
    for figure in html:gmatch("<figure[^>]*>(<svg.-)</figure>") do
      local lanes = {}
      for name, path in figure:gmatch('class="channel"[^>]*>([^<]*)<.-class="bar"[^>]* d="([^"]*)"') do
        lanes[#lanes + 1] = ("%s: %d"):format(name, select(2, path:gsub("M", "")))
      end
      figures[#figures + 1] = table.concat(lanes, ", ") .. (figure:match("8%.000 ms") or "")
    end
    assert.are.same({ "channel pmv: 4, channel m1: 4", "channel pmv: 1, channel m1: 18.000 ms" },
      { figures[1], figures[2] })
    assert.matches("Channels, below each other: pmv, m1.", html, 1, true)
    -- both lanes have one time axis: a bar of m1 lies right of its conditioning one in the pair
    local pair = html:match("<figure[^>]*>.-</figure>.-<figure[^>]*>(.-)</figure>")
    local x = {}
    for at in pair:gmatch('class="bar"[^>]* d="M([%d.]+) ') do
      x[#x + 1] = tonumber(at)
    end
    assert.is_true(x[2] - x[1] > 600, table.concat(x, " "))
  end)

  it("has a dose table that fits a narrow screen", function()
    local html = report_of("--speed max",
      "return mp.pulse(mp.mso(40)) .. mp.rest(1) .. mp.pulse(mp.mso(50))")
    local narrow = html:match("@media screen and %(max%-width: 36rem%) (%b{})")
    assert.matches("%.grid { font%-size: %.7rem", narrow) -- and what is still too wide scrolls in itself
    assert.matches("%.wide { overflow%-x: auto; }", html)
    assert.matches("figure { overflow%-x: auto; }", narrow)
  end)
end)
