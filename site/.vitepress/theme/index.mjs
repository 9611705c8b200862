// VitePress's own theme without the fonts that it would load, and with the colours of the pictures.
import theme from 'vitepress/theme-without-fonts';
import './style.css';

export default theme;
